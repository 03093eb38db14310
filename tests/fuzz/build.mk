# SPDX-License-Identifier: MIT
# The differential fuzzer: one guest kernel for both hypervisors, tests/fuzz.py compares them.

FUZZ_ELF  := $(B)/guests/fuzz.elf
FUZZ_SRCS := $(wildcard tests/fuzz/*.c) tests/guest/guest.c tests/guest/probe.S tests/report.c
FUZZ_OBJS := $(patsubst %,$(B)/obj/guest/%.o,$(basename $(FUZZ_SRCS)))

-include $(FUZZ_OBJS:.o=.d)
$(FUZZ_ELF): $(FUZZ_OBJS) $(PVGUEST_LIB) $(LWIP_LIB) $(CUNIT_DONE) $(PVGUEST_LDS)
	@echo "  LD  $@"
	@mkdir -p $(@D)
	$(Q)$(call guest_link,$(FUZZ_OBJS),$(CUNIT)/libcunit.a)
