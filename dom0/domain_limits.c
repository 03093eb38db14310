// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <xen/errno.h>

#include "dom0/domain_limits.h"
#include "dom0/domctl.h"
#include "pvguest/errno.h"

static int fail(struct domain_error *error, int rc, const char *what, const char *words)
{
    snprintf(error->text, sizeof(error->text), "%s: %s", what, words);
    return rc;
}

static int affinity_apply(domid_t domid, const struct xl_config *config, struct domain_error *error)
{
    for (unsigned int vcpu = 0; vcpu < config->maxvcpus; vcpu++) {
        const uint8_t *hard = vcpu < config->hard_count ? config->hard[vcpu].bits : NULL;
        const uint8_t *soft = vcpu < config->soft_count ? config->soft[vcpu].bits : NULL;
        int rc = domctl_set_affinity(domid, vcpu, hard, soft, XL_CPUS_MAX);
        if (rc) {
            return fail(error, rc, hard ? "cpus=" : "cpus_soft=",
                        rc == -XEN_EINVAL ? "none of these processors is there" : errno_name(rc));
        }
    }
    return 0;
}

static int share_apply(domid_t domid, const struct xl_config *config, struct domain_error *error)
{
    int rc = 0;

    if (config->limits.weight >= 0 || config->limits.cap >= 0) {
        rc = domctl_set_share(domid, config->limits.weight, config->limits.cap);
    }
    return rc ? fail(error, rc, "cpu_weight= and cap=",
                     rc == -XEN_EOPNOTSUPP ? "the scheduler has neither" : errno_name(rc))
              : 0;
}

int domain_limits_apply(domid_t domid, const struct xl_config *config, struct domain_error *error)
{
    int rc = affinity_apply(domid, config, error);

    rc = rc ? rc : share_apply(domid, config, error);
    if (rc == 0 && config->time_offset) {
        rc = domctl_set_time_offset(domid, config->time_offset);
        rc = rc ? fail(error, rc, "rtc_timeoffset=", errno_name(rc)) : 0;
    }
    if (rc == 0 && config->native_tsc) {
        rc = domctl_set_native_tsc(domid);
        rc = rc ? fail(error, rc, "tsc_mode=", errno_name(rc)) : 0;
    }
    return rc;
}
