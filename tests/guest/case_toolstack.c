// SPDX-License-Identifier: MIT
// domctl and sysctl: what Debian's toolstack asks besides, what is off, versions and hostile pointers.
//
// Where Xen has a feature on that is off in Paravane, a case asks only what Xen refuses, or takes both
// answers and says so.
#define __XEN_TOOLS__ 1
#include "tests/guest/toolstack.h"

#include <stdio.h>
#include <string.h>
#include <xen/domctl.h>
#include <xen/sysctl.h>

#include "dom0/domctl.h"

#define CPUS 2
#define NO_CPU 1000
#define FEATURE_WORDS 19

static struct xen_domctl op;
static struct xen_sysctl sys;
static domid_t target;

static long domctl(uint32_t command)
{
    return toolstack_domctl(&op, command, target);
}

static long domctl_plain(uint32_t command)
{
    memset(&op, 0, sizeof(op));
    return domctl(command);
}

static long sysctl(uint32_t command)
{
    return toolstack_sysctl(&sys, command);
}

static long sysctl_plain(uint32_t command)
{
    memset(&sys, 0, sizeof(sys));
    return sysctl(command);
}

static bool create(void)
{
    target = 0;
    toolstack_new_domain(&op);
    if (!EXPECT(domctl(XEN_DOMCTL_createdomain), 0))
        return false;
    target = op.domain;
    memset(&op, 0, sizeof(op));
    op.u.max_vcpus.max = 1;
    return EXPECT(domctl(XEN_DOMCTL_max_vcpus), 0);
}

static void destroy(void)
{
    EXPECT(domctl_destroy(target), 0);
}

// As EXPECT, for one of many commands.
static void expect_of(uint32_t command, long result, long wanted)
{
    static char text[40];

    snprintf(text, sizeof(text), "the result of command %u", (unsigned int)command);
    guest_expect(result, wanted, text, __FILE__, __LINE__);
}

// --- domctl

static void domctls_that_are_off(void)
{
    static const struct {
        uint32_t command;
        long answer;
    } off[] = {
        {XEN_DOMCTL_shadow_op,               -XEN_EINVAL    },
        {XEN_DOMCTL_soft_reset,              -XEN_EINVAL    },
        {XEN_DOMCTL_set_virq_handler,        -XEN_EINVAL    },
        {XEN_DOMCTL_gethvmcontext,           -XEN_EINVAL    },
        {XEN_DOMCTL_sethvmcontext,           -XEN_EINVAL    },
        {XEN_DOMCTL_gethvmcontext_partial,   -XEN_EINVAL    },
        {XEN_DOMCTL_memory_mapping,          -XEN_EINVAL    },
        {XEN_DOMCTL_ioport_mapping,          -XEN_EOPNOTSUPP},
        {XEN_DOMCTL_bind_pt_irq,             -XEN_EINVAL    },
        {XEN_DOMCTL_unbind_pt_irq,           -XEN_EINVAL    },
        {XEN_DOMCTL_set_target,              -XEN_EOPNOTSUPP},
        {XEN_DOMCTL_debug_op,                -XEN_EINVAL    },
        {XEN_DOMCTL_set_broken_page_p2m,     -XEN_EINVAL    },
        {XEN_DOMCTL_setvnumainfo,            -XEN_EINVAL    },
        {XEN_DOMCTL_monitor_op,              -XEN_EOPNOTSUPP},
        {XEN_DOMCTL_vmtrace_op,              -XEN_EINVAL    },
        {XEN_DOMCTL_get_paging_mempool_size, -XEN_EOPNOTSUPP},
        {XEN_DOMCTL_set_paging_mempool_size, -XEN_EOPNOTSUPP},
        {XEN_DOMCTL_assign_device,           -XEN_EOPNOTSUPP},
        {XEN_DOMCTL_test_assign_device,      -XEN_EOPNOTSUPP},
        {XEN_DOMCTL_deassign_device,         -XEN_EOPNOTSUPP},
        {XEN_DOMCTL_get_device_group,        -XEN_EOPNOTSUPP},
        {XEN_DOMCTL_psr_cmt_op,              -XEN_ENODEV    },
        {XEN_DOMCTL_psr_alloc,               -XEN_ENODEV    },
        {XEN_DOMCTL_vm_event_op,             -XEN_ENOSYS    },
        {XEN_DOMCTL_mem_sharing_op,          -XEN_ENOSYS    },
        {XEN_DOMCTL_audit_p2m,               -XEN_ENOSYS    },
        {XEN_DOMCTL_cacheflush,              -XEN_ENOSYS    },
        {XEN_DOMCTL_vuart_op,                -XEN_ENOSYS    },
        {XEN_DOMCTL_real_mode_area,          -XEN_ENOSYS    },
        {XEN_DOMCTL_set_opt_feature,         -XEN_ENOSYS    },
        {XEN_DOMCTL_gdbsx_guestmemio,        -XEN_ENOSYS    },
        {XEN_DOMCTL_gdbsx_pausevcpu,         -XEN_ENOSYS    },
        {XEN_DOMCTL_gdbsx_unpausevcpu,       -XEN_ENOSYS    },
        {XEN_DOMCTL_gdbsx_domstatus,         -XEN_ENOSYS    },
    };
    REQUIRE(create());
    for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++)
        expect_of(off[i].command, domctl_plain(off[i].command), off[i].answer);
    memset(&op, 0, sizeof(op));
    op.u.shadow_op.op = XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY;
    EXPECT(domctl(XEN_DOMCTL_shadow_op), -XEN_EOPNOTSUPP);
    destroy();
    target = ABSENT_DOMAIN;
    for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++)
        expect_of(off[i].command, domctl_plain(off[i].command), -XEN_ESRCH);
}

// Saving and restoring, debuggers and policies are there on Xen: it takes an empty argument.
static void domctls_of_features(void)
{
    static const uint32_t commands[] = {
        XEN_DOMCTL_setdebugging,        XEN_DOMCTL_getpageframeinfo3,   XEN_DOMCTL_getvcpuextstate,
        XEN_DOMCTL_get_ext_vcpucontext, XEN_DOMCTL_set_ext_vcpucontext, XEN_DOMCTL_setvcpuextstate,
        XEN_DOMCTL_get_vcpu_msrs,       XEN_DOMCTL_set_vcpu_msrs,       XEN_DOMCTL_get_cpu_policy,
        XEN_DOMCTL_set_cpu_policy,      XEN_DOMCTL_set_access_required,
    };

    REQUIRE(create());
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        long result = domctl_plain(commands[i]);
        if (result != 0 && result != -XEN_EINVAL)
            expect_of(commands[i], result, -XEN_EOPNOTSUPP);
    }
    destroy();
}

static void triggers(void)
{
    REQUIRE(create());
    memset(&op, 0, sizeof(op));
    op.u.sendtrigger.trigger = XEN_DOMCTL_SENDTRIGGER_NMI;
    EXPECT(domctl(XEN_DOMCTL_sendtrigger), 0);
    EXPECT(domctl(XEN_DOMCTL_sendtrigger), 0); // one that waits is enough
    op.u.sendtrigger.trigger = XEN_DOMCTL_SENDTRIGGER_POWER;
    EXPECT(domctl(XEN_DOMCTL_sendtrigger), -XEN_EINVAL);
    op.u.sendtrigger.trigger = XEN_DOMCTL_SENDTRIGGER_SLEEP;
    EXPECT(domctl(XEN_DOMCTL_sendtrigger), -XEN_EINVAL);
    op.u.sendtrigger.trigger = XEN_DOMCTL_SENDTRIGGER_RESET;
    EXPECT(domctl(XEN_DOMCTL_sendtrigger), -XEN_ENOSYS);
    op.u.sendtrigger.trigger = 0xffffffff;
    EXPECT(domctl(XEN_DOMCTL_sendtrigger), -XEN_ENOSYS);
    op.u.sendtrigger.vcpu = 1;
    EXPECT(domctl(XEN_DOMCTL_sendtrigger), -XEN_ESRCH);
    op.u.sendtrigger.vcpu = 0xffffffff;
    EXPECT(domctl(XEN_DOMCTL_sendtrigger), -XEN_ESRCH);
    destroy();
}

static void clocks(void)
{
    REQUIRE(create());
    EXPECT(domctl_plain(XEN_DOMCTL_gettscinfo), 0);
    EXPECT(op.u.tsc_info.tsc_mode, 0);
    EXPECT_TRUE(op.u.tsc_info.gtsc_khz > 1000);
    EXPECT_TRUE(op.u.tsc_info.elapsed_nsec > 0);
    EXPECT(op.u.tsc_info.incarnation, 1);
    EXPECT(op.u.tsc_info.pad, 0);
    EXPECT(domctl_plain(XEN_DOMCTL_settscinfo), 0);
    op.u.tsc_info.tsc_mode = 2;
    EXPECT(domctl(XEN_DOMCTL_settscinfo), 0);
    op.u.tsc_info.tsc_mode = 3;
    EXPECT(domctl(XEN_DOMCTL_settscinfo), -XEN_EINVAL);
    op.u.tsc_info.tsc_mode = 1; // emulation: Xen only
    long result = domctl(XEN_DOMCTL_settscinfo);
    EXPECT_TRUE(result == 0 || result == -XEN_EOPNOTSUPP);
    EXPECT(domctl_plain(XEN_DOMCTL_subscribe), 0);
    destroy();
    target = 0;
    EXPECT(domctl_plain(XEN_DOMCTL_gettscinfo), -XEN_EINVAL); // of the caller itself
    EXPECT(domctl_plain(XEN_DOMCTL_settscinfo), -XEN_EINVAL);
}

static void nodes(void)
{
    uint8_t map[16];

    REQUIRE(create());
    memset(&op, 0, sizeof(op));
    EXPECT(domctl(XEN_DOMCTL_setnodeaffinity), -XEN_EINVAL); // no node
    EXPECT(domctl(XEN_DOMCTL_getnodeaffinity), 0);
    memset(map, 0xff, sizeof(map));
    op.u.nodeaffinity.nodemap.nr_bits = 128;
    set_xen_guest_handle(op.u.nodeaffinity.nodemap.bitmap, map);
    EXPECT(domctl(XEN_DOMCTL_setnodeaffinity), 0);
    EXPECT(domctl(XEN_DOMCTL_getnodeaffinity), 0);
    EXPECT(map[0], 1);
    for (unsigned int i = 1; i < sizeof(map); i++)
        EXPECT(map[i], 0);
    map[0] = 2;
    EXPECT(domctl(XEN_DOMCTL_setnodeaffinity), -XEN_EINVAL); // no such node
    for (unsigned int i = 0; i < HOSTILE_PLACES - 1; i++) {
        set_xen_guest_handle(op.u.nodeaffinity.nodemap.bitmap, hostile_place(i, 8));
        EXPECT(domctl(XEN_DOMCTL_setnodeaffinity), -XEN_EFAULT);
        EXPECT(domctl(XEN_DOMCTL_getnodeaffinity), -XEN_EFAULT);
    }
    destroy();
}

static void vcpus_of_a_domain(void)
{
    REQUIRE(create());
    memset(&op, 0, sizeof(op));
    op.u.max_vcpus.max = 0;
    EXPECT(domctl(XEN_DOMCTL_max_vcpus), -XEN_EINVAL);
    op.u.max_vcpus.max = 2; // it was created for one
    EXPECT(domctl(XEN_DOMCTL_max_vcpus), -XEN_EINVAL);
    op.u.max_vcpus.max = 1;
    EXPECT(domctl(XEN_DOMCTL_max_vcpus), 0);
    memset(&op, 0, sizeof(op));
    op.u.vcpucontext.vcpu = 1;
    EXPECT(domctl(XEN_DOMCTL_getvcpucontext), -XEN_EINVAL);
    EXPECT(domctl(XEN_DOMCTL_setvcpucontext), -XEN_EINVAL);
    op.u.vcpucontext.vcpu = 0xffffffff;
    EXPECT(domctl(XEN_DOMCTL_getvcpucontext), -XEN_EINVAL);
    EXPECT(domctl(XEN_DOMCTL_setvcpucontext), -XEN_EINVAL);
    EXPECT(domctl_plain(XEN_DOMCTL_getdomaininfo), 0);
    EXPECT(op.u.getdomaininfo.flags >> XEN_DOMINF_shutdownshift, 0xffff); // it runs
    memset(&op, 0, sizeof(op));
    op.u.irq_permission.allow_access = 1; // the timer is nobody's
    EXPECT(domctl(XEN_DOMCTL_irq_permission), -XEN_EPERM);
    destroy();
}

static void versions_and_pointers(void)
{
    static const uint32_t versions[] = {0, XEN_DOMCTL_INTERFACE_VERSION - 1,
                                        XEN_DOMCTL_INTERFACE_VERSION + 1, 0xffffffff};

    memset(&op, 0, sizeof(op));
    memset(&sys, 0, sizeof(sys));
    for (unsigned int i = 0; i < 4; i++) {
        op.interface_version = sys.interface_version = versions[i];
        op.cmd = XEN_DOMCTL_getdomaininfo;
        sys.cmd = XEN_SYSCTL_sched_id;
        EXPECT(hypercall_domctl(&op), -XEN_EACCES);
        EXPECT(hypercall_sysctl(&sys), -XEN_EACCES);
        op.cmd = sys.cmd = 9999;
        EXPECT(hypercall_domctl(&op), -XEN_EACCES);
        EXPECT(hypercall_sysctl(&sys), -XEN_EACCES);
    }
    for (unsigned int i = 0; i < HOSTILE_PLACES; i++) {
        EXPECT(hypercall_domctl(hostile_place(i, sizeof(op))), -XEN_EFAULT);
        EXPECT(hypercall_sysctl(hostile_place(i, sizeof(sys))), -XEN_EFAULT);
    }
    target = 0;
    EXPECT(domctl_plain(0), -XEN_ENOSYS);
    EXPECT(domctl_plain(9999), -XEN_ENOSYS);
    EXPECT(domctl_plain(0xffffffff), -XEN_ENOSYS);
    target = DOMID_SELF; // is no domain here
    EXPECT(domctl_plain(XEN_DOMCTL_max_mem), -XEN_ESRCH);
    EXPECT(domctl_plain(9999), -XEN_ESRCH);
    EXPECT(sysctl_plain(0), -XEN_ENOSYS);
    EXPECT(sysctl_plain(9999), -XEN_ENOSYS);
    EXPECT(sysctl_plain(0xffffffff), -XEN_ENOSYS);
}

// --- sysctl

// The last three are there on Xen, which refuses an empty argument in its own way, or takes it.
static void sysctls_that_are_off(void)
{
    static const struct {
        uint32_t command;
        long answer;
    } off[] = {
        {XEN_SYSCTL_perfc_op,    -XEN_ENOSYS    },
        {XEN_SYSCTL_lockprof_op, -XEN_ENOSYS    },
        {XEN_SYSCTL_coverage_op, -XEN_EOPNOTSUPP},
        {XEN_SYSCTL_psr_cmt_op,  -XEN_ENODEV    },
        {XEN_SYSCTL_psr_alloc,   -XEN_ENODEV    },
        {XEN_SYSCTL_get_pmstat,  -XEN_ENODEV    },
    };
    static const uint32_t there[] = {XEN_SYSCTL_page_offline_op, XEN_SYSCTL_pcitopoinfo,
                                     XEN_SYSCTL_get_cpu_policy, XEN_SYSCTL_livepatch_op};

    for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++)
        expect_of(off[i].command, sysctl_plain(off[i].command), off[i].answer);
    for (size_t i = 0; i < sizeof(there) / sizeof(there[0]); i++) {
        long result = sysctl_plain(there[i]);
        EXPECT_TRUE(result == -XEN_EOPNOTSUPP || result == -XEN_EFAULT || result == -XEN_EINVAL ||
                    result == -XEN_ENOSYS || result == 0);
    }
}

static void power_of_processors(void)
{
    memset(&sys, 0, sizeof(sys));
    sys.u.get_pmstat.cpuid = NO_CPU;
    EXPECT(sysctl(XEN_SYSCTL_get_pmstat), -XEN_EINVAL);
    memset(&sys, 0, sizeof(sys));
    EXPECT(sysctl(XEN_SYSCTL_pm_op), -XEN_ENOSYS); // command 0
    sys.u.pm_op.cmd = 0x60;
    EXPECT(sysctl(XEN_SYSCTL_pm_op), -XEN_ENOSYS);
    sys.u.pm_op.cmd = GET_CPUFREQ_PARA;
    EXPECT(sysctl(XEN_SYSCTL_pm_op), -XEN_EINVAL); // there are no tables
    sys.u.pm_op.cmd = 0;
    sys.u.pm_op.cpuid = NO_CPU;
    EXPECT(sysctl(XEN_SYSCTL_pm_op), -XEN_EINVAL);
    memset(&sys, 0, sizeof(sys));
    EXPECT(sysctl(XEN_SYSCTL_cpu_hotplug), -XEN_EEXIST); // it is on
    sys.u.cpu_hotplug.cpu = NO_CPU;
    EXPECT(sysctl(XEN_SYSCTL_cpu_hotplug), -XEN_EINVAL);
    sys.u.cpu_hotplug.op = XEN_SYSCTL_CPU_HOTPLUG_OFFLINE;
    EXPECT(sysctl(XEN_SYSCTL_cpu_hotplug), -XEN_EINVAL);
    sys.u.cpu_hotplug.op = 99;
    EXPECT(sysctl(XEN_SYSCTL_cpu_hotplug), -XEN_EOPNOTSUPP);
}

static long pool_op(uint32_t what, uint32_t pool)
{
    sys.u.cpupool_op.op = what;
    sys.u.cpupool_op.cpupool_id = pool;
    return sysctl(XEN_SYSCTL_cpupool_op);
}

static void processor_pools(void)
{
    uint8_t map[16];
    uint32_t scheduler;

    EXPECT(sysctl_plain(XEN_SYSCTL_sched_id), 0);
    scheduler = sys.u.sched_id.sched_id;
    memset(&sys, 0, sizeof(sys));
    memset(map, 0xaa, sizeof(map));
    sys.u.cpupool_op.cpumap.nr_bits = 128;
    set_xen_guest_handle(sys.u.cpupool_op.cpumap.bitmap, map);
    EXPECT(pool_op(XEN_SYSCTL_CPUPOOL_OP_INFO, 0), 0);
    EXPECT(sys.u.cpupool_op.sched_id, scheduler);
    EXPECT_TRUE(sys.u.cpupool_op.n_dom >= 1);
    EXPECT(map[0], (1 << CPUS) - 1);
    for (unsigned int i = 1; i < sizeof(map); i++)
        EXPECT(map[i], 0);
    EXPECT(pool_op(XEN_SYSCTL_CPUPOOL_OP_FREEINFO, 0), 0);
    EXPECT(map[0], 0);
    for (unsigned int i = 0; i < HOSTILE_PLACES; i++) {
        set_xen_guest_handle(sys.u.cpupool_op.cpumap.bitmap, hostile_place(i, 16));
        EXPECT(pool_op(XEN_SYSCTL_CPUPOOL_OP_INFO, 0), -XEN_EFAULT);
        EXPECT(pool_op(XEN_SYSCTL_CPUPOOL_OP_FREEINFO, 0), -XEN_EFAULT);
    }
}

static void pools_that_are_not(void)
{
    static const uint32_t about[] = {XEN_SYSCTL_CPUPOOL_OP_DESTROY, XEN_SYSCTL_CPUPOOL_OP_INFO,
                                     XEN_SYSCTL_CPUPOOL_OP_ADDCPU, XEN_SYSCTL_CPUPOOL_OP_RMCPU};

    memset(&sys, 0, sizeof(sys));
    for (unsigned int i = 0; i < 4; i++) {
        EXPECT(pool_op(about[i], 1), -XEN_ENOENT);
        EXPECT(pool_op(about[i], XEN_SYSCTL_CPUPOOL_PAR_ANY), -XEN_ENOENT);
    }
    EXPECT(pool_op(XEN_SYSCTL_CPUPOOL_OP_DESTROY, 0), -XEN_EBUSY);
    EXPECT(pool_op(XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, 0), -XEN_EPERM); // the caller itself
    sys.u.cpupool_op.sched_id = 99; // Xen makes pools, but not for such a scheduler
    EXPECT_TRUE(pool_op(XEN_SYSCTL_CPUPOOL_OP_CREATE, 7) < 0);
    EXPECT(pool_op(0, 0), -XEN_ENOSYS);
    EXPECT(pool_op(99, 0), -XEN_ENOSYS);
}

static void parameters_of_scheduling(void)
{
    uint32_t scheduler;

    EXPECT(sysctl_plain(XEN_SYSCTL_sched_id), 0);
    scheduler = sys.u.sched_id.sched_id;
    memset(&sys, 0, sizeof(sys));
    sys.u.scheduler_op.sched_id = scheduler;
    sys.u.scheduler_op.cmd = XEN_SYSCTL_SCHEDOP_getinfo;
    EXPECT(sysctl(XEN_SYSCTL_scheduler_op), 0);
    sys.u.scheduler_op.cmd = XEN_SYSCTL_SCHEDOP_putinfo; // what is so: Xen sets it
    long result = sysctl(XEN_SYSCTL_scheduler_op);
    EXPECT_TRUE(result == 0 || result == -XEN_EOPNOTSUPP);
    sys.u.scheduler_op.cmd = 2;
    EXPECT(sysctl(XEN_SYSCTL_scheduler_op), -XEN_EINVAL);
    sys.u.scheduler_op.cmd = XEN_SYSCTL_SCHEDOP_getinfo;
    sys.u.scheduler_op.cpupool_id = 1;
    EXPECT(sysctl(XEN_SYSCTL_scheduler_op), -XEN_ESRCH);
    sys.u.scheduler_op.cpupool_id = 0;
    sys.u.scheduler_op.sched_id = 99;
    EXPECT(sysctl(XEN_SYSCTL_scheduler_op), -XEN_EINVAL);
}

static void features(void)
{
    uint32_t words[FEATURE_WORDS + 1];

    for (uint32_t index = 0; index <= XEN_SYSCTL_cpu_featureset_hvm_max; index++) {
        memset(&sys, 0, sizeof(sys));
        sys.u.cpu_featureset.index = index;
        EXPECT(sysctl(XEN_SYSCTL_get_cpu_featureset), 0); // without a list: how many
        EXPECT(sys.u.cpu_featureset.nr_features, FEATURE_WORDS);
        memset(words, 0xaa, sizeof(words));
        sys.u.cpu_featureset.nr_features = FEATURE_WORDS + 1;
        set_xen_guest_handle(sys.u.cpu_featureset.features, words);
        EXPECT(sysctl(XEN_SYSCTL_get_cpu_featureset), 0);
        EXPECT(sys.u.cpu_featureset.nr_features, FEATURE_WORDS);
        EXPECT(words[FEATURE_WORDS], 0xaaaaaaaa);
        if (index != XEN_SYSCTL_cpu_featureset_hvm && index != XEN_SYSCTL_cpu_featureset_hvm_max)
            EXPECT_TRUE(words[0] >> 25 & 1); // SSE
        sys.u.cpu_featureset.nr_features = FEATURE_WORDS - 1;
        EXPECT(sysctl(XEN_SYSCTL_get_cpu_featureset), -XEN_ENOBUFS);
    }
    sys.u.cpu_featureset.index = XEN_SYSCTL_cpu_featureset_hvm_max + 1;
    EXPECT(sysctl(XEN_SYSCTL_get_cpu_featureset), -XEN_EINVAL);
    for (unsigned int i = 1; i < HOSTILE_PLACES; i++) {
        memset(&sys, 0, sizeof(sys));
        sys.u.cpu_featureset.nr_features = FEATURE_WORDS;
        set_xen_guest_handle(sys.u.cpu_featureset.features,
                             hostile_place(i, FEATURE_WORDS * sizeof(words[0])));
        EXPECT(sysctl(XEN_SYSCTL_get_cpu_featureset), -XEN_EFAULT);
    }
    EXPECT(sysctl_plain(XEN_SYSCTL_get_cpu_levelling_caps), 0);
}

static void keys_and_traces(void)
{
    char key = 1; // means nothing

    EXPECT(sysctl_plain(XEN_SYSCTL_debug_keys), 0);
    sys.u.debug_keys.nr_keys = 1;
    set_xen_guest_handle(sys.u.debug_keys.keys, &key);
    EXPECT(sysctl(XEN_SYSCTL_debug_keys), 0);
    for (unsigned int i = 0; i < HOSTILE_PLACES - 1; i++) {
        set_xen_guest_handle(sys.u.debug_keys.keys, hostile_place(i, 1));
        EXPECT(sysctl(XEN_SYSCTL_debug_keys), -XEN_EFAULT);
    }
    memset(&sys, 0xaa, sizeof(sys));
    sys.u.tbuf_op.cmd = XEN_SYSCTL_TBUFOP_get_info;
    EXPECT(sysctl(XEN_SYSCTL_tbuf_op), 0);
    EXPECT(sys.u.tbuf_op.size, 0);
    EXPECT(sys.u.tbuf_op.buffer_mfn, 0);
    sys.u.tbuf_op.cmd = XEN_SYSCTL_TBUFOP_disable;
    EXPECT(sysctl(XEN_SYSCTL_tbuf_op), 0);
    sys.u.tbuf_op.cmd = XEN_SYSCTL_TBUFOP_enable;
    EXPECT(sysctl(XEN_SYSCTL_tbuf_op), -XEN_EINVAL); // there are none
    sys.u.tbuf_op.cmd = 99;
    EXPECT(sysctl(XEN_SYSCTL_tbuf_op), -XEN_EINVAL);
}

// Memory of nodes that are not there, lists of nothing.
static void edges_of_lists(void)
{
    uint32_t distance = 77;

    memset(&sys, 0, sizeof(sys));
    EXPECT(sysctl(XEN_SYSCTL_availheap), 0);
    EXPECT_TRUE(sys.u.availheap.avail_bytes > 0);
    sys.u.availheap.node = -1;
    EXPECT(sysctl(XEN_SYSCTL_availheap), 0);
    EXPECT_TRUE(sys.u.availheap.avail_bytes > 0);
    sys.u.availheap.node = 5;
    EXPECT(sysctl(XEN_SYSCTL_availheap), 0);
    EXPECT(sys.u.availheap.avail_bytes, 0);
    sys.u.availheap.node = 0;
    sys.u.availheap.min_bitwidth = 70;
    EXPECT(sysctl(XEN_SYSCTL_availheap), 0);
    EXPECT(sys.u.availheap.avail_bytes, 0);
    memset(&sys, 0, sizeof(sys));
    set_xen_guest_handle(sys.u.numainfo.distance, &distance);
    EXPECT(sysctl(XEN_SYSCTL_numainfo), 0);
    EXPECT(sys.u.numainfo.num_nodes, 0);
    EXPECT(distance, 77);
    memset(&sys, 0xaa, sizeof(sys));
    EXPECT(sysctl(XEN_SYSCTL_physinfo), 0);
    EXPECT(sys.u.physinfo.nr_cpus, CPUS);
    EXPECT(sys.u.physinfo.max_cpu_id, CPUS - 1);
    EXPECT(sys.u.physinfo.arch_capabilities, 0);
    EXPECT_TRUE(sys.u.physinfo.capabilities & XEN_SYSCTL_PHYSCAP_pv);
    EXPECT_TRUE(sys.u.physinfo.capabilities & XEN_SYSCTL_PHYSCAP_gnttab_v1);
}

static const struct report_case domctl_cases[] = {
    REPORT_CASE(domctls_that_are_off),
    REPORT_CASE(domctls_of_features),
    REPORT_CASE(triggers),
    REPORT_CASE(clocks),
    REPORT_CASE(nodes),
    REPORT_CASE(vcpus_of_a_domain),
    REPORT_CASE(versions_and_pointers),
};

static const struct report_case sysctl_cases[] = {
    REPORT_CASE(sysctls_that_are_off),     REPORT_CASE(power_of_processors),
    REPORT_CASE(processor_pools),          REPORT_CASE(pools_that_are_not),
    REPORT_CASE(parameters_of_scheduling), REPORT_CASE(features),
    REPORT_CASE(keys_and_traces),          REPORT_CASE(edges_of_lists),
};

GUEST_FAMILY(toolstack, REPORT_SUITE("domctl", domctl_cases), REPORT_SUITE("sysctl", sysctl_cases));
