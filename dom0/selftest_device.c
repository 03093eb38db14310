// SPDX-License-Identifier: MIT
/* The contract is in selftest_device.h. */
#include "dom0/selftest_device.h"

#include "pvguest/console.h"
#include "pvguest/thread.h"
#include "pvguest/xenbus.h"

int selftest_nodes_write(const struct selftest_node *nodes, size_t count)
{
    uint32_t tx;
    int error = xenbus_transaction_start(&tx);

    if (error != 0) {
        return error;
    }
    for (size_t i = 0; error == 0 && i < count; i++) {
        error = xenbus_printf(tx, nodes[i].dir, nodes[i].name, "%s", nodes[i].value);
    }
    int end = xenbus_transaction_end(tx, error != 0);
    return error != 0 ? error : end;
}

/* A pause; false when there is nothing more to wait for. */
static bool wait_on(uint64_t deadline, uint64_t pause)
{
    if (time_now() > deadline || console_interrupted()) {
        return false;
    }
    thread_sleep(pause);
    return true;
}

bool selftest_state_reached(const char *dir, XenbusState state)
{
    uint64_t deadline = time_now() + SELFTEST_PATIENCE_NS;

    while (xenbus_read_state(dir) != state) {
        if (!wait_on(deadline, 5 * NSEC_PER_MSEC)) {
            return false;
        }
    }
    return true;
}

bool selftest_reached(const uint32_t *counter, uint32_t value)
{
    uint64_t deadline = time_now() + SELFTEST_PATIENCE_NS;

    while (__atomic_load_n(counter, __ATOMIC_ACQUIRE) != value) {
        if (!wait_on(deadline, NSEC_PER_MSEC)) {
            return false;
        }
    }
    return true;
}
