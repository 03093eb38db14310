// SPDX-License-Identifier: MIT
// Calls of features that are off in Paravane, and calls that neither hypervisor has.
//
// Two sets of answers are right where Debian's Xen has the feature on: those of a Xen without it, and
// those of one with it. Three commands that Xen 4.17 does not survive are not asked there: an obsolete
// load of a crash kernel, the acknowledgement of a machine check that was never fetched, and fewer
// places than processors for their descriptions.
#define __XEN_TOOLS__ 1
#include "tests/guest/guest.h"

#include <string.h>
#include <xen/arch-x86/xen-mca.h>
#include <xen/domctl.h>
#include <xen/hvm/dm_op.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/kexec.h>
#include <xen/xenoprof.h>

#define CPUS 2
#define CALL2(call, command, pointer) hypercall_##call((long)(command), pointer)

static uint8_t buffer[256];

static long hypercall_xenoprof_op(long command, void *pointer)
{
    return HYPERCALL2(__HYPERVISOR_xenoprof_op, command, pointer);
}

static long hypercall_hvm_op(long command, void *pointer)
{
    return HYPERCALL2(__HYPERVISOR_hvm_op, command, pointer);
}

static long hypercall_kexec_op(long command, void *pointer)
{
    return HYPERCALL2(__HYPERVISOR_kexec_op, command, pointer);
}

// --- xenoprof_op: gone in 4.20

#define PROFILING(error) (SINCE_XEN(20) ? -XEN_ENOSYS : -(error))

static void profiling_starts_with_init(void)
{
    for (long command = XENOPROF_init + 1; command <= XENOPROF_last_op; command++) {
        if (command != XENOPROF_get_buffer)
            EXPECT(CALL2(xenoprof_op, command, buffer), PROFILING(XEN_EPERM));
    }
}

// Xen knows the counters of some processors.
static void profiling_is_off(void)
{
    long result = CALL2(xenoprof_op, XENOPROF_init, buffer);

    if (result == 0)
        EXPECT(CALL2(xenoprof_op, XENOPROF_shutdown, buffer), 0);
    else
        EXPECT(result, PROFILING(XEN_ENODEV));
}

static void profiling_commands_are_bounded(void)
{
    static const long beyond[] = {XENOPROF_last_op + 1, 1000, 0x7fffffff, -1};

    for (unsigned int i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++)
        EXPECT(CALL2(xenoprof_op, beyond[i], buffer), PROFILING(XEN_EINVAL));
}

static void profiling_pointers(void)
{
    for (unsigned int i = 0; i < HOSTILE_PLACES; i++) {
        EXPECT(CALL2(xenoprof_op, XENOPROF_init, hostile_place(i, sizeof(struct xenoprof_init))),
               PROFILING(XEN_EFAULT));
        EXPECT(CALL2(xenoprof_op, XENOPROF_get_buffer,
                     hostile_place(i, sizeof(struct xenoprof_get_buffer))),
               PROFILING(XEN_EFAULT));
    }
}

// --- hvm_op

static void no_hvm_parameters(void)
{
    struct xen_hvm_param parameter = {.domid = DOMID_SELF};

    EXPECT(CALL2(hvm_op, HVMOP_get_param, &parameter), -XEN_EINVAL);
    EXPECT(CALL2(hvm_op, HVMOP_set_param, &parameter), -XEN_EINVAL);
    parameter.domid = ABSENT_DOMAIN;
    EXPECT(CALL2(hvm_op, HVMOP_get_param, &parameter), -XEN_ESRCH);
    EXPECT(CALL2(hvm_op, HVMOP_set_param, &parameter), -XEN_ESRCH);
}

static void no_hvm_memory(void)
{
    struct xen_hvm_get_mem_type type = {.domid = DOMID_SELF};
    struct xen_hvm_pagetable_dying dying = {.domid = DOMID_SELF};

    EXPECT(CALL2(hvm_op, HVMOP_get_mem_type, &type), -XEN_EINVAL);
    EXPECT(CALL2(hvm_op, HVMOP_pagetable_dying, &dying), -XEN_EINVAL);
    type.domid = dying.domid = ABSENT_DOMAIN;
    EXPECT(CALL2(hvm_op, HVMOP_get_mem_type, &type), -XEN_ESRCH);
    EXPECT(CALL2(hvm_op, HVMOP_pagetable_dying, &dying), -XEN_ESRCH);
    EXPECT(CALL2(hvm_op, HVMOP_flush_tlbs, NULL), -XEN_EINVAL);
    EXPECT(CALL2(hvm_op, HVMOP_flush_tlbs, buffer), -XEN_EINVAL);
    EXPECT(CALL2(hvm_op, HVMOP_set_evtchn_upcall_vector, buffer), -XEN_EINVAL);
    EXPECT(CALL2(hvm_op, HVMOP_altp2m, buffer), -XEN_EOPNOTSUPP);
}

static void hvm_time(void)
{
    struct xen_hvm_get_time first = {0}, second = {0};

    EXPECT(CALL2(hvm_op, HVMOP_get_time, &first), 0);
    EXPECT(CALL2(hvm_op, HVMOP_get_time, &second), 0);
    EXPECT_TRUE(first.now > 0 && second.now >= first.now);
}

static void hvm_trace(void)
{
    struct xen_hvm_xentrace trace = {.event = 1, .extra_bytes = sizeof(trace.extra)};

    EXPECT(CALL2(hvm_op, HVMOP_xentrace, &trace), 0);
    trace.extra_bytes++;
    EXPECT(CALL2(hvm_op, HVMOP_xentrace, &trace), -XEN_EINVAL);
    trace.extra_bytes = 0;
    trace.event = 0x1000;
    EXPECT(CALL2(hvm_op, HVMOP_xentrace, &trace), -XEN_EINVAL);
    EXPECT(CALL2(hvm_op, HVMOP_guest_request_vm_event, NULL), 0);
    EXPECT(CALL2(hvm_op, HVMOP_guest_request_vm_event, buffer), -XEN_EINVAL);
}

static void hvm_refused(void)
{
    static const unsigned long unknown[] = {2,  3,  4,  6,  7,  8,  12,   13,         14,
                                            16, 17, 18, 20, 22, 26, 1000, 0x7fffffff, 1UL << 32};

    for (unsigned int i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        EXPECT(CALL2(hvm_op, unknown[i], buffer), -XEN_ENOSYS);
    for (unsigned int i = 0; i < HOSTILE_PLACES; i++) {
        EXPECT(CALL2(hvm_op, HVMOP_get_param, hostile_place(i, sizeof(struct xen_hvm_param))),
               -XEN_EFAULT);
        EXPECT(CALL2(hvm_op, HVMOP_get_time, hostile_place(i, sizeof(struct xen_hvm_get_time))),
               -XEN_EFAULT);
        EXPECT(CALL2(hvm_op, HVMOP_xentrace, hostile_place(i, sizeof(struct xen_hvm_xentrace))),
               -XEN_EFAULT);
    }
}

// --- kexec_op

static void no_kernel_is_loaded(void)
{
    struct xen_kexec_exec run = {.type = KEXEC_TYPE_DEFAULT};
    struct xen_kexec_unload unload = {.type = KEXEC_TYPE_CRASH};
    struct xen_kexec_status status = {.type = KEXEC_TYPE_CRASH};
    struct xen_kexec_load_v1 old;

    memset(&old, 0, sizeof(old));
    EXPECT(CALL2(kexec_op, KEXEC_CMD_kexec_status, &status), 0); // 1 on Xen after an unload
    EXPECT(CALL2(kexec_op, KEXEC_CMD_kexec, &run), -XEN_ENOENT);
    EXPECT(CALL2(kexec_op, KEXEC_CMD_kexec_unload_v1, &old), 0);
    EXPECT(CALL2(kexec_op, KEXEC_CMD_kexec_unload, &unload), 0);
    run.type = old.type = 2;
    unload.type = status.type = 2;
    EXPECT(CALL2(kexec_op, KEXEC_CMD_kexec, &run), -XEN_EINVAL);
    EXPECT(CALL2(kexec_op, KEXEC_CMD_kexec_unload_v1, &old), -XEN_EINVAL);
    EXPECT(CALL2(kexec_op, KEXEC_CMD_kexec_unload, &unload), -XEN_EINVAL);
    EXPECT(CALL2(kexec_op, KEXEC_CMD_kexec_status, &status), -XEN_EINVAL);
    run.type = old.type = 0x100;
    EXPECT(CALL2(kexec_op, KEXEC_CMD_kexec, &run), -XEN_EINVAL);
    EXPECT(CALL2(kexec_op, KEXEC_CMD_kexec_unload_v1, &old), 0); // only the low byte counts
}

static void no_memory_for_a_kernel(void)
{
    struct xen_kexec_range range = {.range = KEXEC_RANGE_MA_CRASH, .size = 77, .start = 77};
    struct xen_kexec_load load;

    EXPECT(CALL2(kexec_op, KEXEC_CMD_kexec_get_range, &range), 0);
    EXPECT(range.size, 0);
    EXPECT(range.start, 0);
    range.range = 99;
    EXPECT(CALL2(kexec_op, KEXEC_CMD_kexec_get_range, &range), -XEN_EINVAL);
    memset(&load, 0, sizeof(load));
    EXPECT(CALL2(kexec_op, KEXEC_CMD_kexec_load, &load), -XEN_EINVAL);
    load.type = 9;
    EXPECT(CALL2(kexec_op, KEXEC_CMD_kexec_load, &load), -XEN_EINVAL);
}

// 0 in 4.17, EOPNOTSUPP in 4.20.
static void kexec_commands_are_bounded(void)
{
    for (long command = KEXEC_CMD_kexec_status + 1; command < 12; command++) {
        long result = CALL2(kexec_op, command, buffer);
        EXPECT_TRUE(result == (SINCE_XEN(20) ? -XEN_EOPNOTSUPP : -XEN_ENOSYS) || result == 0);
    }
}

static void kexec_pointers(void)
{
    static const struct {
        int command;
        size_t bytes;
    } rows[] = {
        {KEXEC_CMD_kexec,           sizeof(struct xen_kexec_exec)   },
        {KEXEC_CMD_kexec_load_v1,   sizeof(struct xen_kexec_load_v1)},
        {KEXEC_CMD_kexec_unload_v1, sizeof(struct xen_kexec_load_v1)},
        {KEXEC_CMD_kexec_get_range, sizeof(struct xen_kexec_range)  },
        {KEXEC_CMD_kexec_load,      sizeof(struct xen_kexec_load)   },
    };

    for (unsigned int r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        for (unsigned int i = 0; i < HOSTILE_PLACES; i++)
            EXPECT(CALL2(kexec_op, rows[r].command, hostile_place(i, rows[r].bytes)), -XEN_EFAULT);
    }
    EXPECT(CALL2(kexec_op, KEXEC_CMD_kexec_unload, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    EXPECT(CALL2(kexec_op, KEXEC_CMD_kexec_status, NON_CANONICAL), -XEN_EFAULT);
}

// --- dm_op

static long dm(domid_t domain, unsigned long count, void *buffers)
{
    return HYPERCALL3(__HYPERVISOR_dm_op, domain, count, buffers);
}

static void no_device_models(void)
{
    struct xen_dm_op_buf buffers[3];

    memset(buffers, 0, sizeof(buffers));
    EXPECT(dm(DOMID_SELF, 0, buffers), -XEN_ENODATA);
    EXPECT(dm(DOMID_SELF, 3, buffers), -XEN_E2BIG);
    EXPECT(dm(DOMID_SELF, 0xffffffff, buffers), -XEN_E2BIG);
    EXPECT(dm(ABSENT_DOMAIN, 1, buffers), -XEN_ESRCH);
    EXPECT(dm(DOMID_SELF, 2, buffers), -XEN_ESRCH); // a domain of another kind is meant
    EXPECT(dm(0, 1, buffers), -XEN_EPERM);
    for (unsigned int i = 0; i < HOSTILE_PLACES; i++) {
        EXPECT(dm(0, 1, hostile_place(i, sizeof(buffers[0]))), -XEN_EFAULT);
        EXPECT(dm(ABSENT_DOMAIN, 2, hostile_place(i, 2 * sizeof(buffers[0]))), -XEN_EFAULT);
    }
}

// --- arch_0: machine checks

static struct xen_mc mc;

static long machine_check(uint32_t command)
{
    mc.cmd = command;
    mc.interface_version = XEN_MCA_INTERFACE_VERSION;
    return HYPERCALL1(__HYPERVISOR_arch_0, &mc);
}

static void no_machine_checks(void)
{
    static struct mc_info record;
    static const uint32_t classes[] = {XEN_MC_NONURGENT, XEN_MC_URGENT};

    for (unsigned int i = 0; i < 2; i++) {
        memset(&mc, 0, sizeof(mc));
        mc.u.mc_fetch.flags = classes[i];
        EXPECT(machine_check(XEN_MC_fetch), -XEN_EINVAL); // no place for the record
        mc.u.mc_fetch.fetch_id = 77;
        set_xen_guest_handle(mc.u.mc_fetch.data, &record);
        EXPECT(machine_check(XEN_MC_fetch), 0);
        EXPECT(mc.u.mc_fetch.flags, XEN_MC_NODATA);
        EXPECT(mc.u.mc_fetch.fetch_id, 0);
    }
    mc.u.mc_fetch.flags = 0;
    EXPECT(machine_check(XEN_MC_fetch), -XEN_EINVAL);
    mc.u.mc_fetch.flags = XEN_MC_NONURGENT | XEN_MC_URGENT;
    EXPECT(machine_check(XEN_MC_fetch), -XEN_EINVAL);
}

static void processors(void)
{
    static struct mcinfo_logical_cpu cpus[CPUS + 1];

    memset(&mc, 0, sizeof(mc));
    EXPECT(machine_check(XEN_MC_physcpuinfo), 0); // without a list: how many
    EXPECT(mc.u.mc_physcpuinfo.ncpus, CPUS);
    memset(cpus, 0xaa, sizeof(cpus));
    set_xen_guest_handle(mc.u.mc_physcpuinfo.info, cpus);
    mc.u.mc_physcpuinfo.ncpus = CPUS + 1;
    EXPECT(machine_check(XEN_MC_physcpuinfo), 0);
    EXPECT(mc.u.mc_physcpuinfo.ncpus, CPUS);
    for (unsigned int i = 0; i < CPUS; i++) {
        EXPECT(cpus[i].mc_cpunr, i);
        EXPECT(cpus[i].mc_apicid, i);
        EXPECT_TRUE(cpus[i].mc_ncores >= 1 && cpus[i].mc_ncores_active >= 1);
        EXPECT_TRUE(cpus[i].mc_family >= 6 && cpus[i].mc_vendorid[0] >= 'A');
        EXPECT(cpus[i].mc_vendorid[12], 0);
        EXPECT(cpus[i].mc_brandid[63], 0);
    }
    EXPECT(cpus[CPUS].mc_cpunr, 0xaaaaaaaa);
    mc.u.mc_physcpuinfo.ncpus = 0;
    EXPECT(machine_check(XEN_MC_physcpuinfo), -XEN_EINVAL);
    set_xen_guest_handle(mc.u.mc_physcpuinfo.info, HYPERVISOR_ADDRESS);
    mc.u.mc_physcpuinfo.ncpus = CPUS;
    EXPECT(machine_check(XEN_MC_physcpuinfo), -XEN_EFAULT);
}

// Injections for a processor that is not there: Xen knows the feature, and refuses the processor.
static void no_injection(void)
{
    static const uint32_t commands[] = {XEN_MC_msrinject, XEN_MC_mceinject, XEN_MC_inject_v2};

    for (unsigned int i = 0; i < 3; i++) {
        memset(&mc, 0, sizeof(mc));
        mc.u.mc_msrinject.mcinj_cpunr = commands[i] == XEN_MC_inject_v2 ? 0 : 1000;
        long result = machine_check(commands[i]);
        EXPECT_TRUE(result == -XEN_ENODEV || result == -XEN_EINVAL);
    }
}

static void machine_checks_refused(void)
{
    static const uint32_t unknown[] = {0, XEN_MC_notifydomain, 7, 8, 0x7fffffff, 0xffffffff};

    memset(&mc, 0, sizeof(mc));
    for (unsigned int i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        EXPECT(machine_check(unknown[i]), -XEN_EINVAL);
    mc.cmd = XEN_MC_physcpuinfo;
    mc.interface_version = XEN_MCA_INTERFACE_VERSION - 1;
    EXPECT(HYPERCALL1(__HYPERVISOR_arch_0, &mc), -XEN_EACCES);
    for (unsigned int i = 0; i < HOSTILE_PLACES; i++)
        EXPECT(HYPERCALL1(__HYPERVISOR_arch_0, hostile_place(i, sizeof(mc))), -XEN_EFAULT);
}

// --- arch_1, and what is nowhere

static void shadow_tables_refused(void)
{
    static struct xen_domctl op;

    EXPECT(HYPERCALL1(__HYPERVISOR_arch_1, &op), -XEN_EOPNOTSUPP);
    for (unsigned int i = 0; i < HOSTILE_PLACES; i++)
        EXPECT(HYPERCALL1(__HYPERVISOR_arch_1, hostile_place(i, sizeof(op))), -XEN_EFAULT);
}

#define ABSENT(number)                                                                             \
    EXPECT(HYPERCALL5(number, 1, buffer, HYPERVISOR_ADDRESS, -1, -1), -XEN_ENOSYS)

static void calls_that_nobody_has(void)
{
    ABSENT(11);
    ABSENT(__HYPERVISOR_xsm_op);
    ABSENT(__HYPERVISOR_tmem_op);
    ABSENT(__HYPERVISOR_argo_op);
    ABSENT(43);
    ABSENT(44);
    ABSENT(45);
    ABSENT(46);
    ABSENT(47);
    ABSENT(__HYPERVISOR_arch_2);
    ABSENT(__HYPERVISOR_arch_3);
    ABSENT(__HYPERVISOR_arch_4);
    ABSENT(__HYPERVISOR_arch_5);
    ABSENT(__HYPERVISOR_arch_6);
    ABSENT(__HYPERVISOR_arch_7);
    ABSENT(56);
    ABSENT(63);
}

// The file system of settings: Paravane has none.
static void hypfs(void)
{
    long result = HYPERCALL5(__HYPERVISOR_hypfs_op, 0, NULL, 0, NULL, 0);

    EXPECT_TRUE(result == -XEN_ENOSYS || result == 1);
    result = HYPERCALL5(__HYPERVISOR_hypfs_op, 1, HYPERVISOR_ADDRESS, 8, buffer, 8);
    EXPECT_TRUE(result == -XEN_ENOSYS || result == -XEN_EFAULT);
}

static const struct report_case xenoprof_cases[] = {
    REPORT_CASE(profiling_starts_with_init),
    REPORT_CASE(profiling_is_off),
    REPORT_CASE(profiling_commands_are_bounded),
    REPORT_CASE(profiling_pointers),
};

static const struct report_case hvm_cases[] = {
    REPORT_CASE(no_hvm_parameters), REPORT_CASE(no_hvm_memory), REPORT_CASE(hvm_time),
    REPORT_CASE(hvm_trace),         REPORT_CASE(hvm_refused),
};

static const struct report_case kexec_cases[] = {
    REPORT_CASE(no_kernel_is_loaded),
    REPORT_CASE(no_memory_for_a_kernel),
    REPORT_CASE(kexec_commands_are_bounded),
    REPORT_CASE(kexec_pointers),
};

static const struct report_case dm_cases[] = {REPORT_CASE(no_device_models)};

static const struct report_case arch_0_cases[] = {
    REPORT_CASE(no_machine_checks),
    REPORT_CASE(processors),
    REPORT_CASE(no_injection),
    REPORT_CASE(machine_checks_refused),
};

static const struct report_case arch_1_cases[] = {REPORT_CASE(shadow_tables_refused)};

static const struct report_case absent_cases[] = {
    REPORT_CASE(calls_that_nobody_has),
    REPORT_CASE(hypfs),
};

GUEST_FAMILY(off, REPORT_SUITE("xenoprof_op", xenoprof_cases), REPORT_SUITE("hvm_op", hvm_cases),
             REPORT_SUITE("kexec_op", kexec_cases), REPORT_SUITE("dm_op", dm_cases),
             REPORT_SUITE("arch_0", arch_0_cases), REPORT_SUITE("arch_1", arch_1_cases),
             REPORT_SUITE("absent", absent_cases));
