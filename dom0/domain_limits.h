// SPDX-License-Identifier: MIT
/* What a configuration says about processors, shares and time, for a domain whose vcpus exist. */
#pragma once

#include "dom0/domain.h"

/* 0, or -XEN_E* and a sentence: what cannot be kept is never left out. */
int domain_limits_apply(domid_t domid, const struct xl_config *config, struct domain_error *error);
