# SPDX-License-Identifier: MIT
# Parts of ring 0 that not everybody needs, each whole files (module.h). MODULES= chooses: `make MODULES=` builds the
# core alone, `make MODULES="fifo gzip"` those two. Each has a budget of lines (C and assembly) in tools/size.py.
MODULES_ALL := fifo gzip guest_section off_ops check_frames longest_call
MODULES ?= $(MODULES_ALL)
MODULE_fifo          := event/fifo.c
MODULE_gzip          := hypervisor/gzip.c hypervisor/gzip.h
MODULE_guest_section := hypervisor/elf_guest_section.c
MODULE_off_ops       := hypercalls/off_ops.c
MODULE_check_frames  := hypercalls/check_frames.c hypercalls/paravane_tests.h
MODULE_longest_call  := hypercalls/longest_call.c

ifneq ($(filter-out $(MODULES_ALL),$(MODULES)),)
$(error there is no module $(filter-out $(MODULES_ALL),$(MODULES)); there are: $(MODULES_ALL))
endif
HV_SRCS := $(filter-out $(foreach m,$(filter-out $(MODULES) $(if $(TIMED),longest_call),$(MODULES_ALL)),$(MODULE_$m)),$(HV_SRCS))
