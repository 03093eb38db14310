# SPDX-License-Identifier: MIT

# libxenstore for guests, made to the declarations that libxen-dev installs.
PVGUEST_SRCS += tools/libxenstore/xs.c tools/libxenstore/xs_xenbus.c
XENSTORE_HEADERS := $(B)/inc/xenstore.h $(B)/inc/xenstore_lib.h
$(XENSTORE_HEADERS): $(B)/inc/%: | $(B)/inc/xen
	@ln -sfn /usr/include/$* $@
$(patsubst %.c,$(B)/obj/guest/%.o,$(filter %.c,$(DOM0_SRCS)) tools/libxenstore/xs.c \
	$(wildcard pvguest/examples/*/*.c)): | $(XENSTORE_HEADERS)
