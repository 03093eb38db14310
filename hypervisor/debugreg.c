// SPDX-License-Identifier: MIT
// Virtual debug registers. A guest may watch its own addresses only, and general detect is not for
// guests. They are in the CPU only while a vcpu that has enabled one runs. Port I/O is emulated, so
// breakpoints on ports never are: debugreg_check_port() looks at them.
#include "hypervisor/traps.h"
#include "hypervisor/context.h"
#include "hypervisor/guestcopy.h"

#define DR6_KEEP 0xe00full
#define DR7_GENERAL_DETECT 0x2000ull
#define DR7_RESERVED_ZERO 0xd800ull
#define DR7_TYPE_SHIFT 16
#define DR7_TYPE_STEP 4
#define DR7_TYPE_IO 2

// Enabled breakpoints on ports, as their two enable bits each.
static uint64_t port_enables(uint64_t dr7)
{
    uint64_t enables = 0;

    for (unsigned i = 0; i < 4; i++) {
        if ((dr7 >> (DR7_TYPE_SHIFT + DR7_TYPE_STEP * i) & 3) == DR7_TYPE_IO)
            enables |= dr7 & (3ull << (2 * i));
    }
    return enables;
}

// A value in force that has a breakpoint on ports, enabled or not.
static bool names_ports(uint64_t dr7)
{
    return dr7 & DR7_ENABLES && port_enables(dr7 | DR7_ENABLES) != 0;
}

uint64_t debugreg_hardware_dr7(const struct vcpu *v)
{
    uint64_t dr7 = v->traps.debugreg[7];

    return dr7 & ~port_enables(dr7);
}

unsigned debugreg_check_port(const struct vcpu *v, unsigned port, unsigned bytes)
{
    const uint64_t *r = v->traps.debugreg;
    uint64_t enables = port_enables(r[7]);
    unsigned hit = 0;

    for (unsigned i = 0; enables && i < 4; i++) {
        unsigned length = (r[7] >> (DR7_TYPE_SHIFT + DR7_TYPE_STEP * i + 2) & 3) + 1;
        if (enables >> (2 * i) & 3 && r[i] < port + bytes && port < r[i] + length)
            hit |= 1u << i;
    }
    return hit;
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
    } else if (value > UINT32_MAX) {
        return REFUSE_BAD_ARGUMENT;
    } else if (index == 6) {
        r[6] = (value & DR6_KEEP) | DR6_DEFAULT;
        return REFUSE_NONE;
    } else {
        if (value & DR7_GENERAL_DETECT || (names_ports(value) && !(v->traps.cr4 & CR4_DE)))
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
