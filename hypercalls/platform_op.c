// SPDX-License-Identifier: MIT
// platform_op (xen/platform.h): the wall clock, sleep states and firmware facts, for dom0.
#include "hypercalls/call.h"
#include "hypervisor/boot.h"
#include "hypervisor/power.h"
#include <xen/platform.h>

#define SLEEP_STATE_OFF 5

static enum refusal set_time(const struct xenpf_settime64 *t)
{
    if (t->mbz || t->nsecs >= NS_PER_S)
        return REFUSE_BAD_ARGUMENT;
    time_wall_set(t->secs * NS_PER_S + t->nsecs, t->system_time);
    struct domain *d = domain_get_next(0);
    while (d) {
        domid_t id = d->id;
        domain_update_wallclock(d);
        domain_put(d);
        d = domain_get_next((domid_t)(id + 1));
    }
    return REFUSE_NONE;
}

static enum refusal enter_sleep(const struct xenpf_enter_acpi_sleep *s)
{
    if (s->flags & ~XENPF_ACPI_SLEEP_EXTENDED || s->sleep_state != SLEEP_STATE_OFF)
        return REFUSE_BAD_ARGUMENT;
    power_off(s->val_a, s->val_b);
}

static enum refusal firmware_info(struct xenpf_firmware_info *info)
{
    switch (info->type) {
    case XEN_FW_EFI_INFO:
        return REFUSE_NOT_OFFERED; // dom0 gets no EFI services
    case XEN_FW_KBD_SHIFT_FLAGS:
        info->u.kbd_shift_flags = 0; // GRUB does not pass them on
        return REFUSE_NONE;
    case XEN_FW_DISK_INFO:
    case XEN_FW_DISK_MBR_SIGNATURE:
    case XEN_FW_VBEDDC_INFO:
        return REFUSE_NO_FIRMWARE_INFO; // the BIOS is not asked
    default:
        return REFUSE_BAD_ARGUMENT;
    }
}

static enum refusal processor_info(struct xenpf_pcpuinfo *info)
{
    unsigned cpu = info->xen_cpuid;

    info->max_present = cpu_count() - 1;
    info->flags = XEN_PCPU_FLAGS_INVALID;
    if (cpu >= cpu_count())
        return REFUSE_NONE;
    info->apic_id = info->acpi_id = cpu_get(cpu)->apic_id;
    info->flags = cpu_get(cpu)->is_online ? XEN_PCPU_FLAGS_ONLINE : 0;
    return REFUSE_NONE;
}

static enum refusal cpu_version(struct xenpf_pcpu_version *v)
{
    uint32_t r[4];

    v->max_present = cpu_count() - 1;
    if (v->xen_cpuid >= cpu_count())
        return REFUSE_NONE;
    cpuid(0, 0, r);
    memcpy(v->vendor_id, &r[1], 4);
    memcpy(v->vendor_id + 4, &r[3], 4);
    memcpy(v->vendor_id + 8, &r[2], 4);
    cpuid(1, 0, r);
    v->family = (r[0] >> 8 & 0xf) + (r[0] >> 20 & 0xff);
    v->model = (r[0] >> 4 & 0xf) | (r[0] >> 12 & 0xf0);
    v->stepping = r[0] & 0xf;
    return REFUSE_NONE;
}

static enum refusal run(struct xen_platform_op *op)
{
    switch (op->cmd) {
    case XENPF_settime64:
        return set_time(&op->u.settime64);
    case XENPF_enter_acpi_sleep:
        return enter_sleep(&op->u.enter_acpi_sleep);
    case XENPF_firmware_info:
        return firmware_info(&op->u.firmware_info);
    case XENPF_get_cpuinfo:
        return processor_info(&op->u.pcpu_info);
    case XENPF_get_cpu_version:
        return cpu_version(&op->u.pcpu_version);
    default:
        return REFUSE_NO_SUBOP;
    }
}

long hypercall_platform_op(struct hypercall *c)
{
    struct xen_platform_op op;

    if (!guest_read(&op, c->arg[0], sizeof(op)))
        return refuse(c, REFUSE_BAD_POINTER, 0);
    c->subop = op.cmd;
    if (op.interface_version != XENPF_INTERFACE_VERSION)
        return refuse(c, REFUSE_BAD_VERSION, 0);
    if (!c->domain->is_privileged)
        return refuse(c, REFUSE_NOT_PRIVILEGED, 0);
    enum refusal r = run(&op);
    if (r != REFUSE_NONE)
        return refuse(c, r, 0);
    if (!guest_write(c->arg[0], &op, sizeof(op)))
        return refuse(c, REFUSE_BAD_POINTER, 0);
    return 0;
}
