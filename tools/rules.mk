# SPDX-License-Identifier: MIT
# Rules and targets. The component lists (HV_SRCS, PVGUEST_SRCS, DOM0_SRCS, UNIT_TESTS, ...) are
# complete when this file is read; a component whose list is empty is left out.

# Objects: one folder for each way of compiling ------------------------------------------------------
hv_objs    = $(patsubst %,$(B)/obj/hv/%.o,$(basename $1))
guest_objs = $(patsubst %,$(B)/obj/guest/%.o,$(basename $1))
HV_OBJS       := $(call hv_objs,$(HV_SRCS))
PVGUEST_OBJS  := $(call guest_objs,$(PVGUEST_SRCS))
DOM0_OBJS     := $(call guest_objs,$(DOM0_SRCS))
CONF_OBJS     := $(call guest_objs,$(CONFORMANCE_SRCS))
ALL_OBJS      := $(HV_OBJS) $(PVGUEST_OBJS) $(DOM0_OBJS) $(CONF_OBJS)

# Assembly offsets: COMPONENT/asm_offsets.c emits lines "->NAME VALUE"; .S files include
# "COMPONENT/asm_offsets.h". Each is a macro NAME and, for names put together, a symbol OFFSET_NAME.
ASM_OFFSETS := $(patsubst %.c,$(B)/gen/%.h,$(wildcard */asm_offsets.c))
offsets_header = sed -n 's/^.*->\([A-Za-z_0-9]*\) *\$$*\([-0-9][0-9]*\).*/\#define \1 \2\n.set OFFSET_\1, \2/p'

$(B)/gen/hypervisor/asm_offsets.h: hypervisor/asm_offsets.c $(RELEASE_H) | $(B)/inc/xen
	@echo "  GEN $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(filter-out -g,$(HV_CFLAGS)) -MMD -MP -MT $@ -MF $@.d -S $< -o $@.s
	@$(offsets_header) $@.s >$@

$(B)/gen/pvguest/asm_offsets.h: pvguest/asm_offsets.c $(RELEASE_H) $(NEWLIB_DONE) $(LWIP_DONE) | $(B)/inc/xen
	@echo "  GEN $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(filter-out -g,$(GUEST_CFLAGS)) $(GUEST_C) -MMD -MP -MT $@ -MF $@.d -S $< -o $@.s
	@$(offsets_header) $@.s >$@

HV_OFFSETS    := $(filter $(B)/gen/hypervisor/%,$(ASM_OFFSETS))
GUEST_OFFSETS := $(filter $(B)/gen/pvguest/%,$(ASM_OFFSETS))

$(B)/obj/hv/%.o: %.c $(RELEASE_H) | $(B)/inc/xen $(HV_OFFSETS)
	@echo "  CC  $<"
	@mkdir -p $(@D)
	$(Q)$(CC) $(HV_CFLAGS) $(EXTRA_CFLAGS) -MMD -MP -c $< -o $@

$(B)/obj/hv/%.o: %.S $(RELEASE_H) | $(B)/inc/xen $(HV_OFFSETS)
	@echo "  AS  $<"
	@mkdir -p $(@D)
	$(Q)$(CC) $(HV_CFLAGS) -D__ASSEMBLY__ -MMD -MP -c $< -o $@

$(B)/obj/hv/%.o: $(B)/gen/%.S | $(B)/inc/xen
	@echo "  AS  $<"
	@mkdir -p $(@D)
	$(Q)$(CC) $(HV_CFLAGS) -D__ASSEMBLY__ -MMD -MP -c $< -o $@

# A guest sees the public interface; dom0 and its tools also the toolstack's part of it.
GUEST_ABI = -D__XEN_INTERFACE_VERSION__=0x00040e00
$(B)/obj/guest/dom0/%.o $(B)/obj/guest/tools/%.o: GUEST_ABI = -D__XEN_TOOLS__ -isystem $(ZLIB)/include
$(B)/obj/guest/dom0/unpack.o: | $(ZLIB_DONE)
GUEST_CFLAGS = $(GUEST_CFLAGS_BASE) $(GUEST_ABI)

# Xen's headers want stdint.h before them. A frame larger than the guard page below a stack touches each of its
# pages, so that none jumps over it.
GUEST_C = -include stdint.h -fstack-clash-protection $(STACK_CHECK)

# Every function of a guest's own code first asks entry.S whether its thread's stack has room: recursion is
# there. pvguest, lwIP and dom0 go without (their depth has bounds, and their speed is everybody's), and so
# does what counts instructions.
$(B)/obj/guest/pvguest/examples/%.o: STACK_CHECK = -pg -mfentry
$(B)/obj/guest/pvguest/examples/bench/%.o: STACK_CHECK =

$(B)/obj/guest/%.o: %.c $(RELEASE_H) | $(B)/inc/xen $(NEWLIB_DONE) $(LWIP_DONE) $(CUNIT_DONE) $(GUEST_OFFSETS)
	@echo "  CC  $<"
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_CFLAGS) $(GUEST_C) $(EXTRA_CFLAGS) -MMD -MP -c $< -o $@

$(B)/obj/guest/%.o: %.S $(RELEASE_H) | $(B)/inc/xen $(NEWLIB_DONE) $(LWIP_DONE) $(CUNIT_DONE) $(GUEST_OFFSETS)
	@echo "  AS  $<"
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_CFLAGS) -D__ASSEMBLY__ -MMD -MP -c $< -o $@

-include $(ALL_OBJS:.o=.d) $(ASM_OFFSETS:=.d)

# Hypervisor -------------------------------------------------------------------------------------------
HV_ELF := $(B)/hypervisor/paravane.elf
HV_LDS ?= hypervisor/link.ld

HV_SYMBOLS := $(B)/gen/hypervisor/symbols

# Written when it changes only: other modules are another hypervisor.
$(B)/gen/hypervisor/modules: always
	@mkdir -p $(@D)
	@[ "$$(cat $@ 2>/dev/null)" = "$(MODULES)" ] || echo "$(MODULES)" >$@

# Linked twice: the second time with the names of the functions of the first, for crash reports. The
# table lies behind the text, so no function moves.
$(HV_ELF): $(HV_OBJS) $(HV_LDS) tools/symbols.py $(B)/gen/hypervisor/modules
	@echo "  LD  $@"
	@mkdir -p $(@D) $(dir $(HV_SYMBOLS))
	$(Q)$(CC) $(HV_LDFLAGS) -T $(HV_LDS) $(HV_OBJS) -o $@.pass1 $(GCC_LIB)
	$(Q)nm -n $@.pass1 | python3 tools/symbols.py >$(HV_SYMBOLS).S
	$(Q)$(CC) -c $(HV_SYMBOLS).S -o $(HV_SYMBOLS).o
	$(Q)$(CC) $(HV_LDFLAGS) -T $(HV_LDS) $(HV_OBJS) $(HV_SYMBOLS).o -o $@ $(GCC_LIB)

# Guests -----------------------------------------------------------------------------------------------
PVGUEST_LIB := $(B)/pvguest/libpvguest.a
PVGUEST_LDS ?= pvguest/link.ld
GUEST_LIBS   = $(PVGUEST_LIB) $(LWIP_LIB) $(NEWLIB)/lib/libc.a $(NEWLIB)/lib/libm.a
guest_link   = $(CC) $(GUEST_LDFLAGS) -T $(PVGUEST_LDS) $1 -o $@ \
	-Wl,--start-group $(GUEST_LIBS) $2 $(GCC_LIB) -Wl,--end-group $(if $(DEBUG),$(HEAP_CHECK))

# newlib's allocator behind pvguest/heap_wrap.c: in what is linked with DEBUG=1, and in one guest for the tests.
HEAP_CHECK := $(foreach f,malloc free calloc realloc memalign malloc_usable_size,-Wl,--wrap=_$(f)_r)

$(PVGUEST_LIB): $(PVGUEST_OBJS)
	@echo "  AR  $@"
	@mkdir -p $(@D) && rm -f $@
	@ar rcs $@ $^

DOM0_ELF := $(B)/dom0/dom0.elf
$(DOM0_ELF): $(DOM0_OBJS) $(PVGUEST_LIB) $(LWIP_LIB) $(PVGUEST_LDS)
	@echo "  LD  $@"
	@mkdir -p $(@D)
	$(Q)$(call guest_link,$(DOM0_OBJS),$(ZLIB)/libz.a)

CONFORMANCE_ELF := $(B)/guests/conformance.elf
$(CONFORMANCE_ELF): $(CONF_OBJS) $(PVGUEST_LIB) $(LWIP_LIB) $(CUNIT_DONE) $(PVGUEST_LDS)
	@echo "  LD  $@"
	@mkdir -p $(@D)
	$(Q)$(call guest_link,$(CONF_OBJS),$(CUNIT)/libcunit.a)

# Each folder of pvguest/examples is one guest: its C files make build/guests/NAME.elf, its
# configuration goes beside it.
# A guest that is not one of ours is built with warnings in the place of errors, and one that does not build is
# left out of the boot archive.
GUESTS := $(patsubst pvguest/examples/%/,%,$(dir $(wildcard pvguest/examples/*/*.cfg)))
OUR_GUESTS := bench disk-check fetch hello hostile selftest store-check web
USER_GUESTS := $(filter-out $(OUR_GUESTS),$(GUESTS))
define guest_rule
GUEST_OBJS_$1 := $$(call guest_objs,$$(wildcard pvguest/examples/$1/*.c pvguest/examples/$1/*.S))
$(if $(filter $1,$(USER_GUESTS)),$$(GUEST_OBJS_$1): EXTRA_CFLAGS += -Wno-error)
-include $$(GUEST_OBJS_$1:.o=.d)
$(B)/guests/$1.elf: $$(GUEST_OBJS_$1) $(PVGUEST_LIB) $(LWIP_LIB) $(PVGUEST_LDS)
	@echo "  LD  $$@"
	@mkdir -p $$(@D)
	$(Q)$$(call guest_link,$$(GUEST_OBJS_$1))
endef
$(foreach g,$(GUESTS),$(eval $(call guest_rule,$g)))
GUEST_ELFS := $(patsubst %,$(B)/guests/%.elf,$(filter $(OUR_GUESTS),$(GUESTS)))
USER_ELFS  := $(USER_GUESTS:%=$(B)/guests/%.elf)

SELFTEST_HEAP := $(B)/guests/selftest-heap.elf
$(SELFTEST_HEAP): $(GUEST_OBJS_selftest) $(PVGUEST_LIB) $(LWIP_LIB) $(PVGUEST_LDS)
	@echo "  LD  $@"
	@mkdir -p $(@D)
	$(Q)$(call guest_link,$(GUEST_OBJS_selftest),$(HEAP_CHECK))

# The boot archive: dom0's initrd with guest kernels and configurations below /guests.
INITRD := $(B)/boot/initrd.cpio
GUEST_CFGS := $(wildcard pvguest/examples/*/*.cfg)
$(INITRD): $(GUEST_ELFS) $(GUEST_CFGS) $(BOOT_FILES) tools/mkinitrd.py $(wildcard $(USER_GUESTS:%=pvguest/examples/%/*))
	@mkdir -p $(@D)
	@for elf in $(USER_ELFS); do \
		$(MAKE) $$elf || { rm -f $$elf; echo "  NOTE $$elf does not build and is left out"; } done
	@echo "  GEN $@"
	$(Q)python3 tools/mkinitrd.py $@ $(foreach f,$(GUEST_ELFS) $(GUEST_CFGS) $(BOOT_FILES),/guests/$(notdir $f)=$f) \
		$$(for elf in $(USER_ELFS); do [ ! -e $$elf ] || echo /guests/$${elf##*/}=$$elf; done)

-include tests/fuzz/build.mk

# Host tests -------------------------------------------------------------------------------------------
define unit_rule
UNIT_OBJS_$1 := $$(patsubst %,$(B)/obj/unit/$1/%.o,$$(basename $$(sort $$(UNIT_$1_SRCS) tests/report.c)))
-include $$(UNIT_OBJS_$1:.o=.d)
$(B)/obj/unit/$1/%.o: %.c $(RELEASE_H) | $(B)/packages.ok
	@echo "  CC  $$< ($1)"
	@mkdir -p $$(@D)
	$(Q)gcc $$(UNIT_$1_CFLAGS) $(UNIT_CFLAGS) -MMD -MP -c $$< -o $$@
$(B)/unit/$1: $$(UNIT_OBJS_$1)
	@echo "  LD  $$@"
	@mkdir -p $$(@D)
	$(Q)gcc -fsanitize=address,undefined $$^ -lcunit $$(UNIT_$1_LIBS) -o $$@
endef
$(foreach t,$(UNIT_TESTS),$(eval $(call unit_rule,$t)))
UNIT_PROGRAMS := $(UNIT_TESTS:%=$(B)/unit/%)

# Targets ----------------------------------------------------------------------------------------------
HAVE_HV    := $(and $(HV_SRCS),$(wildcard $(HV_LDS)))
HAVE_GUEST := $(and $(PVGUEST_SRCS),$(wildcard $(PVGUEST_LDS)))
BUILT := $(if $(HAVE_HV),$(HV_ELF)) $(if $(HAVE_GUEST),$(PVGUEST_LIB) $(GUEST_ELFS) $(SELFTEST_HEAP)) \
	$(if $(and $(HAVE_GUEST),$(wildcard dom0/main.c)),$(DOM0_ELF) $(INITRD)) \
	$(if $(and $(HAVE_GUEST),$(CONFORMANCE_SRCS)),$(CONFORMANCE_ELF))

## make               builds the hypervisor, dom0 and the guests
all: $(BUILT)

## make objects       compiles everything and links nothing; also: make hypervisor, make dom0, make guests;
##                    make hypervisor CC=clang B=build/clang for the other compiler
.PHONY: objects hypervisor dom0 guests
objects: $(ALL_OBJS)
hypervisor: $(HV_ELF)
dom0: $(DOM0_ELF) $(INITRD)
guests: $(GUEST_ELFS)

## make run           installs what is missing, builds, boots Paravane with dom0 and the web guest
.PHONY: run
run:
	@! command -v python3 >/dev/null || python3 tools/run.py --check $(RUN_ARGS)
	@tools/packages.sh install
	@$(call alone,all proved $(if $(filter xen,$(HV)),$(B)/xen/xen.gz))
	@python3 tools/run.py --hv $(HV) $(RUN_ARGS)

## make demo          boots, fetches page and files, compares, powers off (HV=xen: on Debian's Xen)
.PHONY: demo
demo: all $(if $(filter xen,$(HV)),$(XEN_GZ))
	@python3 tests/demo.py --hv $(HV)

## make test          all tests; the last line is "N passed, N failed"
.PHONY: test
test: all $(UNIT_PROGRAMS) $(FUZZ_ELF) $(XEN_GZ) proved
	@UNIT_TESTS="$(UNIT_TESTS)" python3 tests/run.py

## make test-other-debian  all of it on the other release of Debian (12 or 13), in a chroot below build/ that is made
##                    once; as root, with mmdebstrap (not part of make test)
.PHONY: test-other-debian
test-other-debian:
	@tools/other_debian.sh make test

## make test-core     the core of the hypervisor without modules: conformance and the whole chain (not part of make
##                    test); MODULES="fifo gzip" chooses modules for any target, hypervisor/modules.mk has the list
.PHONY: test-core
test-core:
	@$(MAKE) MODULES= conformance && $(MAKE) MODULES= demo; status=$$?; $(MAKE) hypervisor && exit $$status

## make test-models   CPUID, model-specific registers and CR4 on QEMU's models of Intel's and AMD's processors (T=MODEL
##                    runs one), on Paravane and on Xen (`make test` runs one model)
.PHONY: test-models
test-models: $(CONFORMANCE_ELF) $(HV_ELF) $(XEN_GZ) proved
	@python3 tests/run.py models $(T)

## make unit          host tests under the sanitizers (T=NAME runs one)
.PHONY: unit
unit: $(if $(T),$(B)/unit/$(T),$(UNIT_PROGRAMS))
	@UNIT_TESTS="$(UNIT_TESTS)" python3 tests/run.py unit $(T)

## make conformance   the conformance guest on Paravane and on Xen, side by side
.PHONY: conformance
conformance: $(CONFORMANCE_ELF) $(if $(HAVE_HV),$(HV_ELF)) $(XEN_GZ) proved
	@python3 tests/conformance.py $(if $(T),--only $(T))

## make conformance-proofs  hypercalls/abi/proofs.txt: which case proves which documented error (T=SUITE)
.PHONY: conformance-proofs
conformance-proofs: $(CONFORMANCE_ELF) $(HV_ELF)
	@python3 tests/conformance.py --hv paravane --proofs $(if $(T),--only $(T))

## make system        boots of the whole chain (T=NAME runs one)
.PHONY: system
system: all
	@python3 tests/run.py system $(T)

## make fuzz          the same random calls on Paravane and on Xen: N= calls, SEED=
.PHONY: fuzz
fuzz: $(FUZZ_ELF) $(HV_ELF) $(XEN_GZ)
	@python3 tests/fuzz.py --calls $(or $(N),100000) --seed $(or $(SEED),1) --reduce

## make fuzz-hostile  wild calls and racing vcpus on Paravane alone: N=, SEED=, V= vcpus,
##                    ARGS=--debug (assertions) or --icount (instructions of the longest calls)
.PHONY: fuzz-hostile
fuzz-hostile: $(FUZZ_ELF) $(HV_ELF)
	@python3 tests/fuzz.py --calls $(or $(N),100000) --seed $(or $(SEED),1) --hostile $(or $(V),3) $(ARGS)

## make fuzz-host     libFuzzer on the parsers, built by clang: T= one, SECONDS= for each

## make linux         Debian's own kernel as dom0 and as a guest (a download; not part of make test)
.PHONY: linux
linux: $(HV_ELF)
	@python3 tests/linux.py

## make bench         speed and memory, counted in instructions where possible
.PHONY: bench
bench: all $(XEN_GZ)
	@python3 tests/bench/bench.py

## make size          ring-0 lines, text and read-only data
.PHONY: size
size: $(HV_ELF)
	@python3 tools/size.py $(HV_ELF)

## make check         format, headers, layers, sizes, hypercall coverage
.PHONY: check
check: $(RELEASE_H) | $(B)/inc/xen $(NEWLIB_DONE) $(LWIP_DONE) $(CUNIT_DONE) $(ZLIB_DONE) $(HV_OFFSETS)
	@HV_CFLAGS="$(HV_CFLAGS)" GUEST_CFLAGS="$(GUEST_CFLAGS_BASE) $(GUEST_C)" UNIT_CFLAGS="$(UNIT_CFLAGS)" \
		python3 tools/check.py $(T)

## make docs          writes docs/abi.md and docs/options.md from the sources
.PHONY: docs
docs:
	@python3 tools/abi.py
	@python3 tools/options.py

## make format        formats the C sources in place
.PHONY: format
format:
	@git ls-files '*.c' '*.h' | xargs clang-format -i

## make gdb           QEMU waits for gdb with the symbols of hypervisor, dom0 and guest
.PHONY: gdb
gdb: all
	@python3 tools/run.py --hv $(HV) --gdb $(RUN_ARGS)

## make clean         removes what was built, keeps third-party builds (make distclean: those too)
.PHONY: clean distclean
clean:
	@rm -rf $(filter-out $(B)/third_party $(B)/xen $(B)/apt,$(wildcard $(B)/*))
distclean:
	@rm -rf $(B)
