// SPDX-License-Identifier: MIT
// platform_op (xen/platform.h) and arch_0 (xen/arch-x86/xen-mca.h), for dom0: the wall clock, sleep
// states, firmware and processors, machine checks. Processors are all on from the start and stay on,
// their power states and memory ranges are left as the firmware has set them, and machine checks end
// the machine: commands that would change that are refused.
#include "hypercalls/call.h"
#include "hypervisor/power.h"
#include <xen/arch-x86/xen-mca.h>
#include <xen/errno.h>
#include <xen/platform.h>

#define SLEEP_STATE_OFF 5
#define RESOURCE_ENTRIES_MAX 3

static enum refusal set_time(uint64_t seconds, uint32_t nanoseconds, uint64_t system_time)
{
    time_wall_set(seconds * NS_PER_S + nanoseconds, system_time);
    struct domain *d = domain_get_next(0);
    while (d) {
        domid_t id = d->id;
        domain_update_wallclock(d);
        domain_put(d);
        d = domain_get_next((domid_t)(id + 1));
    }
    return REFUSE_NONE;
}

// There are no sleep registers of reduced hardware, which the flag would mean.
static enum refusal enter_sleep(const struct xenpf_enter_acpi_sleep *s)
{
    if (s->flags & XENPF_ACPI_SLEEP_EXTENDED)
        return REFUSE_NOT_PERMITTED;
    if (s->flags || s->sleep_state != SLEEP_STATE_OFF)
        return REFUSE_BAD_ARGUMENT;
    power_off(s->val_a, s->val_b);
}

static enum refusal firmware_info(struct xenpf_firmware_info *info)
{
    switch (info->type) {
    case XEN_FW_EFI_INFO:
        return REFUSE_NO_SUBOP; // dom0 gets no EFI services
    case XEN_FW_KBD_SHIFT_FLAGS:
        info->u.kbd_shift_flags = 0; // GRUB does not pass them on
        return info->index ? REFUSE_NO_FIRMWARE_INFO : REFUSE_NONE;
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
    memset(v->vendor_id, 0, sizeof(v->vendor_id));
    v->family = v->model = v->stepping = 0;
    if (v->xen_cpuid >= cpu_count())
        return REFUSE_NONE;
    cpuid(0, 0, r);
    memcpy(v->vendor_id, &r[1], 4);
    memcpy(v->vendor_id + 4, &r[3], 4);
    memcpy(v->vendor_id + 8, &r[2], 4);
    cpuid(1, 0, r);
    v->family = cpu_features.family;
    v->model = cpu_features.model;
    v->stepping = r[0] & 0xf;
    return REFUSE_NONE;
}

// Neither frequencies nor sleep states of processors are managed.
static enum refusal power_info(const struct xenpf_set_processor_pminfo *p)
{
    uint32_t pdc[3];

    if (p->type <= XEN_PM_TX)
        return REFUSE_NO_SUBOP;
    if (p->type == XEN_PM_PDC && !guest_read(pdc, (uint64_t)p->u.pdc.p, sizeof(pdc)))
        return REFUSE_BAD_POINTER;
    return REFUSE_BAD_ARGUMENT;
}

static enum refusal hot_plug(unsigned cpu, bool online)
{
    if (cpu >= cpu_count())
        return REFUSE_BAD_ARGUMENT;
    return online ? REFUSE_NONE : REFUSE_NOT_OFFERED; // they are all on
}

static enum refusal core_parking(struct xenpf_core_parking *p)
{
    if (p->type == XEN_CORE_PARKING_SET)
        return p->idle_nums ? REFUSE_NOT_OFFERED : REFUSE_NONE;
    p->idle_nums = 0;
    return p->type == XEN_CORE_PARKING_GET ? REFUSE_NONE : REFUSE_BAD_ARGUMENT;
}

// No register may be read or written this way: the first entry says so.
static enum refusal resource_access(const struct xenpf_resource_op *r)
{
    struct xenpf_resource_entry first;
    uint64_t at = (uint64_t)r->entries.p;

    if (!r->nr_entries)
        return REFUSE_NONE;
    if (r->nr_entries > RESOURCE_ENTRIES_MAX)
        return REFUSE_BAD_ARGUMENT;
    if (!guest_read(&first, at, sizeof(first)))
        return REFUSE_BAD_POINTER;
    first.u.ret = (uint32_t)(first.rsvd ? -XEN_EINVAL : -XEN_EOPNOTSUPP);
    return guest_write(at, &first, sizeof(first)) ? REFUSE_NONE : REFUSE_BAD_POINTER;
}

static enum refusal run(struct xen_platform_op *op)
{
    switch (op->cmd) {
    case XENPF_settime32:
        return set_time(op->u.settime32.secs, op->u.settime32.nsecs, op->u.settime32.system_time);
    case XENPF_settime64:
        return op->u.settime64.mbz ? REFUSE_BAD_ARGUMENT
                                   : set_time(op->u.settime64.secs, op->u.settime64.nsecs,
                                              op->u.settime64.system_time);
    case XENPF_enter_acpi_sleep:
        return enter_sleep(&op->u.enter_acpi_sleep);
    case XENPF_firmware_info:
        return firmware_info(&op->u.firmware_info);
    case XENPF_get_cpuinfo:
        return processor_info(&op->u.pcpu_info);
    case XENPF_get_cpu_version:
        return cpu_version(&op->u.pcpu_version);
    case XENPF_set_processor_pminfo:
        return power_info(&op->u.set_pminfo);
    case XENPF_cpu_online:
        return hot_plug(op->u.cpu_ol.cpuid, true);
    case XENPF_cpu_offline:
        return hot_plug(op->u.cpu_ol.cpuid, false);
    case XENPF_core_parking:
        return core_parking(&op->u.core_parking);
    case XENPF_resource_op:
        return resource_access(&op->u.resource_op);
    case XENPF_platform_quirk: // interrupts are never balanced, the IO-APIC is accessed the safe way
        return op->u.platform_quirk.quirk_id - QUIRK_NOIRQBALANCING > 2 ? REFUSE_BAD_ARGUMENT
                                                                        : REFUSE_NONE;
    case XENPF_get_symbol:
        return REFUSE_AT_END;
    case XENPF_add_memtype:
    case XENPF_del_memtype:
    case XENPF_read_memtype:
    case XENPF_microcode_update:
    case XENPF_cpu_hotadd:
    case XENPF_mem_hotadd:
        return REFUSE_BAD_ARGUMENT;
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

// --- arch_0: a machine check ends the machine, so there are never any records

static void describe(unsigned cpu, struct mcinfo_logical_cpu *p)
{
    struct xenpf_pcpu_version v = {.xen_cpuid = cpu};
    uint32_t r[4];

    cpu_version(&v);
    *p = (struct mcinfo_logical_cpu){
        .mc_cpunr = cpu,
        .mc_apicid = cpu_get(cpu)->apic_id,
        .mc_clusterid = cpu_get(cpu)->apic_id,
        .mc_ncores = 1,
        .mc_ncores_active = 1,
        .mc_nthreads = 1,
        .mc_family = v.family,
        .mc_model = v.model,
        .mc_step = v.stepping,
    };
    memcpy(p->mc_vendorid, v.vendor_id, sizeof(v.vendor_id));
    cpuid(0, 0, r);
    p->mc_cpuid_level = (int32_t)r[0];
    for (unsigned i = 0; i < 3; i++) {
        cpuid(0x80000002 + i, 0, r);
        memcpy(p->mc_brandid + i * sizeof(r), r, sizeof(r));
    }
}

static enum refusal processors(struct xen_mc_physcpuinfo *info)
{
    uint64_t to = (uint64_t)info->info.p;
    unsigned count = cpu_count();

    if (to && !info->ncpus)
        return REFUSE_BAD_ARGUMENT;
    if (to)
        count = MIN(count, info->ncpus);
    for (unsigned cpu = 0; to && cpu < count; cpu++) {
        struct mcinfo_logical_cpu one;
        describe(cpu, &one);
        if (!guest_write(to + cpu * sizeof(one), &one, sizeof(one)))
            return REFUSE_BAD_POINTER;
    }
    info->ncpus = count;
    return REFUSE_NONE;
}

static enum refusal fetch(struct xen_mc_fetch *f)
{
    uint32_t class = f->flags & (XEN_MC_NONURGENT | XEN_MC_URGENT);

    if (!class || class == (XEN_MC_NONURGENT | XEN_MC_URGENT))
        return REFUSE_BAD_ARGUMENT;
    if (f->flags & XEN_MC_ACK)
        return REFUSE_NONE;
    if (!f->data.p)
        return REFUSE_BAD_ARGUMENT;
    f->flags = XEN_MC_NODATA;
    f->fetch_id = 0;
    return REFUSE_NONE;
}

static enum refusal machine_check(struct xen_mc *mc)
{
    switch (mc->cmd) {
    case XEN_MC_fetch:
        return fetch(&mc->u.mc_fetch);
    case XEN_MC_physcpuinfo:
        return processors(&mc->u.mc_physcpuinfo);
    case XEN_MC_msrinject:
    case XEN_MC_mceinject:
    case XEN_MC_inject_v2:
        return REFUSE_NO_FEATURE;
    default:
        return REFUSE_BAD_ARGUMENT;
    }
}

long hypercall_arch_0(struct hypercall *c)
{
    struct xen_mc mc;

    if (!c->domain->is_privileged)
        return refuse(c, REFUSE_NOT_PRIVILEGED, 0);
    if (!guest_read(&mc, c->arg[0], sizeof(mc)))
        return refuse(c, REFUSE_BAD_POINTER, 0);
    c->subop = mc.cmd;
    if (mc.interface_version != XEN_MCA_INTERFACE_VERSION)
        return refuse(c, REFUSE_BAD_VERSION, 0);
    enum refusal r = machine_check(&mc);
    if (r != REFUSE_NONE)
        return refuse(c, r, 0);
    if (!guest_write(c->arg[0], &mc, sizeof(mc)))
        return refuse(c, REFUSE_BAD_POINTER, 0);
    return 0;
}
