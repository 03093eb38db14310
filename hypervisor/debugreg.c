// SPDX-License-Identifier: MIT
// Virtual debug registers. A guest may watch its own addresses only; the general-detect bit and I/O
// breakpoints are not for guests. They are in the CPU only while a vcpu that has enabled one runs.
#include "hypervisor/debugreg.h"
#include "hypervisor/canonical.h"
#include "hypervisor/context.h"
#include "hypervisor/guestcopy.h"
#include "hypervisor/x86.h"

#define DR6_KEEP 0xe00full
#define DR7_GENERAL_DETECT 0x2000ull
#define DR7_RESERVED_ZERO 0xffffffff0000d800ull
#define DR7_TYPE_SHIFT 16
#define DR7_TYPE_STEP 4
#define DR7_TYPE_IO 2

static bool watches_ports(uint64_t dr7)
{
    for (unsigned i = 0; i < 4; i++) {
        bool enabled = dr7 >> (2 * i) & 3;
        if (enabled && (dr7 >> (DR7_TYPE_SHIFT + DR7_TYPE_STEP * i) & 3) == DR7_TYPE_IO)
            return true;
    }
    return false;
}

// 4 and 5 are other names of 6 and 7 unless debugging extensions are on; ~0 when there is none.
static unsigned debugreg_index(const struct vcpu *v, unsigned index)
{
    if (index == 4 || index == 5)
        return v->traps.cr4 & CR4_DE ? ~0u : index + 2;
    return index < 8 ? index : ~0u;
}

enum refusal debugreg_set(struct vcpu *v, unsigned index, uint64_t value)
{
    uint64_t *r = v->traps.debugreg;

    index = debugreg_index(v, index);
    if (index == ~0u)
        return REFUSE_DEBUG_REGISTER_UNKNOWN;
    if (index < 4) {
        if (!is_canonical(value) || !guest_range_ok(value, 1))
            return REFUSE_DEBUG_REGISTER_VALUE;
        r[index] = value;
    } else if (index == 6) {
        r[6] = (value & DR6_KEEP) | DR6_DEFAULT;
        return REFUSE_NONE;
    } else {
        if (value & DR7_GENERAL_DETECT || watches_ports(value))
            return REFUSE_DEBUG_REGISTER_VALUE;
        r[7] = (value & ~DR7_RESERVED_ZERO) | DR7_DEFAULT;
    }
    if (v == current_vcpu()) {
        write_dr7(DR7_DEFAULT);
        context_load_debugregs(v);
    }
    return REFUSE_NONE;
}

enum refusal debugreg_get(const struct vcpu *v, unsigned index, uint64_t *value)
{
    index = debugreg_index(v, index);
    if (index == ~0u)
        return REFUSE_DEBUG_REGISTER_UNKNOWN;
    *value = v->traps.debugreg[index];
    return REFUSE_NONE;
}
