# SPDX-License-Identifier: MIT

# What waits for memory management to land.
HV_WAITING := hypervisor/domain.c hypervisor/domain_kill.c hypervisor/dom0_build.c hypercalls/domctl.c \
	hypercalls/domctl_vcpu.c hypercalls/domctl_access.c hypercalls/sysctl.c hypercalls/dispatch.c \
	hypercalls/xen_version.c hypercalls/console_io.c hypercalls/physdev_op.c hypercalls/platform_op.c \
	hypervisor/irq.c hypervisor/access.c hypervisor/power.c hypervisor/vcpu_time.c hypervisor/refusal.c \
	hypervisor/vcpu_info.c hypervisor/bounce.c hypervisor/context.c hypervisor/debugreg.c hypervisor/descriptors.c \
	hypervisor/entry.S hypervisor/fpu.c hypervisor/page_fault.c hypervisor/traps.c hypervisor/vcpu_context.c

HV_SRCS += $(filter-out %/asm_offsets.c $(HV_WAITING),$(wildcard hypervisor/*.c hypervisor/*.S))
