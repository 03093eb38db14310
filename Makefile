# SPDX-License-Identifier: MIT
# Paravane's one makefile: `make help` lists the targets. Each component adds its sources in its own
# build.mk; everything that is made goes below build/. V=1 shows the commands, DEBUG=1 adds assertions and
# a checked heap in guests,
# TIMED=1 measures how long hypercalls keep their CPU (hypercalls/longest_call.c).

.SUFFIXES:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory
B     := build
JOBS  := $(shell nproc 2>/dev/null || echo 1)
DEBUG ?=
HV    ?= paravane
Q     := $(if $(V),,@)

# What we run ends with us (tools/lifeline.py).
export PARAVANE_MAKE := $(shell echo $$PPID)
export BOOT_FILES

# $(call alone,targets): one make at a time builds in a folder.
alone = mkdir -p $(B) && flock $(B)/lock $(MAKE) $1

.PHONY: all
all:

CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
GCC_INCLUDE := $(shell gcc -print-file-name=include)
GCC_LIB     := $(shell gcc -print-libgcc-file-name)

WARNINGS := -Wall -Wextra -Wno-unused-parameter -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Werror
COMMON   := -std=gnu11 -g -fno-strict-aliasing -fno-stack-protector -fcf-protection=none \
	-fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections -mno-red-zone $(WARNINGS) \
	$(if $(DEBUG),-DDEBUG) $(if $(TIMED),-DTIMED)

# clang names some of the warnings otherwise, and makes calls of memset out of loops, as in memset.
ifneq ($(findstring clang,$(CC)),)
COMMON += -Wno-missing-field-initializers -Wno-unknown-pragmas -fno-builtin
endif

# Hypervisor: position-independent code in the upper half, no FPU use, Xen's headers and nothing else.
HV_CFLAGS := -O2 $(COMMON) -ffreestanding -nostdinc -isystem $(GCC_INCLUDE) -isystem $(B)/inc \
	-I. -I$(B)/gen -mgeneral-regs-only -fpie -fvisibility=hidden -include hypervisor/visibility.h -mcmodel=small -D__XEN_TOOLS__
HV_LDFLAGS := -static -no-pie -nostdlib -nostartfiles -Wl,--gc-sections -Wl,-z,max-page-size=4096 \
	-Wl,-z,noexecstack -Wl,--build-id=sha1 -Wl,--no-warn-rwx-segments

# Guests: the kernel code model, newlib before gcc's own headers.
GUEST_CODEGEN := -fno-pic -fno-pie -mcmodel=kernel -mno-red-zone -fno-stack-protector \
	-fcf-protection=none -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections
GUEST_CFLAGS_BASE = -O2 $(COMMON) $(GUEST_CODEGEN) -nostdinc -isystem $(NEWLIB)/include \
	-isystem $(GCC_INCLUDE) -isystem $(B)/inc -isystem $(LWIP)/src/include \
	-isystem $(CUNIT)/include -I. -I$(B)/gen -I$(LWIP_PORT)
GUEST_LDFLAGS := -static -no-pie -nostdlib -nostartfiles -Wl,--gc-sections \
	-Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -Wl,--build-id=none -Wl,--no-warn-rwx-segments

# Host tests: the same sources under the sanitizers.
UNIT_CFLAGS := -std=gnu11 -g -O1 -fno-strict-aliasing -fsanitize=address,undefined \
	-fno-sanitize-recover=all -fno-omit-frame-pointer $(WARNINGS) -DDEBUG -D__XEN_TOOLS__ -I. -I$(B)/gen

# Turns relative include folders into absolute ones, for recipes that change the directory.
absolute_includes = $(subst -I$(B),-I$(CURDIR)/$(B),$(subst -I.,-I$(CURDIR),$(subst -I$(LWIP_PORT), \
	-I$(CURDIR)/$(LWIP_PORT),$(subst -isystem $(B),-isystem $(CURDIR)/$(B),$1))))

$(B)/packages.ok: tools/packages.txt
	@tools/packages.sh check
	@mkdir -p $(@D) && touch $@

# The lists that the build.mk files add to; what the environment may hold under these names is not ours.
HV_SRCS          :=
PVGUEST_SRCS     :=
DOM0_SRCS        :=
CONFORMANCE_SRCS :=
UNIT_TESTS       :=

include third_party/third_party.mk
-include hypervisor/build.mk event/build.mk grant/build.mk sched/build.mk hypercalls/build.mk
include hypervisor/modules.mk
-include pvguest/build.mk dom0/build.mk tools/build.mk
-include tests/unit/build.mk tests/libfuzzer/build.mk tests/guest/build.mk tests/system/build.mk tests/bench/build.mk
include tools/rules.mk

.PHONY: help
help:
	@sed -n 's/^## //p' tools/rules.mk
