// SPDX-License-Identifier: MIT
/* The hypercalls of a toolstack (domctl, sysctl), one function each: 0 or -XEN_E*. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/domctl.h>
#include <xen/sysctl.h>

/* How much a domain can have of what is counted. */
struct domctl_limits {
    unsigned int vcpus;
    int64_t event_channels, grant_frames, maptrack_frames; /* -1: the usual number */
};

/* *domid: chosen by the hypervisor. The domain has no vcpus and no memory yet and is paused. */
int domctl_create(const uint8_t handle[16], const struct domctl_limits *limits, domid_t *domid);
int domctl_destroy(domid_t domid);
int domctl_pause(domid_t domid);
int domctl_unpause(domid_t domid);
int domctl_max_vcpus(domid_t domid, unsigned int count);
int domctl_max_mem(domid_t domid, uint64_t kib);
int domctl_hypercall_init(domid_t domid, uint64_t mfn);
int domctl_set_vcpu_context(domid_t domid, unsigned int vcpu, struct vcpu_guest_context *context);
/* Bitmaps of `cpus` bits; NULL: leave as it is. */
int domctl_set_affinity(domid_t domid, unsigned int vcpu, const uint8_t *hard, const uint8_t *soft,
                        unsigned int cpus);
/* -1: leave as it is. -XEN_EOPNOTSUPP: the scheduler has no such parameters. */
int domctl_set_share(domid_t domid, int64_t weight, int64_t cap);
int domctl_set_time_offset(domid_t domid, int64_t seconds);
/* Time-stamp counters are shown as they are. */
int domctl_set_native_tsc(domid_t domid);
/* -XEN_ESRCH: no such domain. */
int domctl_get_info(domid_t domid, struct xen_domctl_getdomaininfo *info);
int domctl_get_vcpu_info(domid_t domid, unsigned int vcpu, struct xen_domctl_getvcpuinfo *info);
/* SCHEDOP_remote_shutdown with a SHUTDOWN_* reason. */
int domctl_remote_shutdown(domid_t domid, unsigned int reason);

/* Domains from `first` on, in order; the number stored, or -XEN_E*. */
int sysctl_list_domains(domid_t first, struct xen_domctl_getdomaininfo *infos, unsigned int room);
int sysctl_physinfo(struct xen_sysctl_physinfo *info);
/* Bytes of the hypervisor's log, from *index on (which moves); the number, or -XEN_E*. */
int sysctl_read_console(char *buffer, unsigned int room, uint32_t *index);
/* XEN_SCHEDULER_*. */
int sysctl_scheduler(uint32_t *id);
