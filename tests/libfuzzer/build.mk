# SPDX-License-Identifier: MIT
# Fuzzers of parsers on the host. HARNESS_NAME := what tests/libfuzzer/NAME.c needs besides. Each is a host test
# (build/unit/fuzz_NAME: damaged seeds, driver.c) and, built by clang, a libFuzzer program (make fuzz-host).

HARNESSES := decode elf gzip guest_image xl_config xl_oracle xenstore
HARNESS_decode := tests/unit/decode_oracle.c hypervisor/decode.c
HARNESS_elf := tests/libfuzzer/elf_seed.c hypervisor/elf.c hypervisor/elf_guest_section.c
HARNESS_gzip := hypervisor/gzip.c
HARNESS_guest_image := tests/libfuzzer/elf_seed.c dom0/guest_image.c
HARNESS_xl_config := $(wildcard tools/xl/*.c)
HARNESS_xl_oracle := $(wildcard tools/xl/*.c)
HARNESS_xl_oracle_LIBS := -lxlutil -lxenlight
HARNESS_decode_LIBS := -lZydis
HARNESS_gzip_LIBS := -lz
HARNESS_xenstore = $(STORE_SRCS) dom0/xenstore_ring.c
harness_cflags = -D_GNU_SOURCE -Itests/unit/host

UNIT_TESTS += $(HARNESSES:%=fuzz_%)
define harness_unit
UNIT_fuzz_$1_SRCS := tests/libfuzzer/$1.c tests/libfuzzer/driver.c $(HARNESS_$1)
UNIT_fuzz_$1_CFLAGS := $(harness_cflags) -DHARNESS_NAME='"fuzz_$1"'
UNIT_fuzz_$1_LIBS := $(HARNESS_$1_LIBS)
endef
$(foreach h,$(HARNESSES),$(eval $(call harness_unit,$h)))

CLANG ?= clang
SECONDS ?= 60
$(B)/fuzz-host/%: tests/libfuzzer/%.c $(B)/unit/fuzz_%
	@echo "  CLANG $@"
	@mkdir -p $(@D)
	$(Q)$(CLANG) -fsanitize=fuzzer $(harness_cflags) $(UNIT_CFLAGS) $< $(HARNESS_$*) $(UNIT_fuzz_$*_LIBS) -o $@

# New inputs and what crashes stay below build/fuzz-host/NAME.d.
.PHONY: fuzz-host
fuzz-host: $(addprefix $(B)/fuzz-host/,$(or $(T),$(HARNESSES)))
	@for h in $(or $(T),$(HARNESSES)); do \
		d=$(B)/fuzz-host/$$h.d; mkdir -p $$d/corpus; $(B)/unit/fuzz_$$h $$d/corpus || exit 1; \
		echo "  FUZZ $$h for $(SECONDS) s"; \
		$(B)/fuzz-host/$$h -max_total_time=$(SECONDS) -timeout=20 -rss_limit_mb=2048 -max_len=8192 \
			-print_final_stats=1 -artifact_prefix=$$d/ $$d/corpus >$$d/log 2>&1 || { tail -40 $$d/log; exit 1; }; \
		grep -E "cov:|number_of_executed|slowest" $$d/log | tail -3; \
	done
