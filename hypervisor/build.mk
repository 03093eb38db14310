# SPDX-License-Identifier: MIT

HV_SRCS += $(filter-out %/asm_offsets.c,$(wildcard hypervisor/*.c hypervisor/*.S))

# What runs once, at boot: small rather than fast.
HV_BOOT_SRCS := $(addprefix hypervisor/,acpi.c bootmem.c cpufeatures.c dom0_build.c elf.c elf_guest_section.c gzip.c \
	multiboot.c options.c panic.c)
$(HV_BOOT_SRCS:%.c=$(B)/obj/hv/%.o): HV_CFLAGS += -Os
