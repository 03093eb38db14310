# SPDX-License-Identifier: MIT

DOM0_SRCS += $(wildcard dom0/*.c dom0/*.S) tools/libxenstore/xs.c tools/xl/xl_config.c tools/xl/xl_device.c

# libxenstore is made to the declarations that libxen-dev installs.
XENSTORE_HEADERS := $(B)/inc/xenstore.h $(B)/inc/xenstore_lib.h
$(XENSTORE_HEADERS): $(B)/inc/%: | $(B)/inc/xen
	@ln -sfn /usr/include/$* $@
$(patsubst %.c,$(B)/obj/guest/%.o,$(filter %.c,$(DOM0_SRCS))): | $(XENSTORE_HEADERS)
