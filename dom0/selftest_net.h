// SPDX-License-Identifier: MIT
/*
 * Self-test of the network path within dom0: netfront against netback, both on a bridge of their own,
 * and hand-made front and back ends that break the rules. No guest is needed.
 */
#pragma once

/* Prints "PASS net/CASE" or "FAIL net/CASE: reason" lines and a RESULT line; gives the number of
 * failed cases. */
int selftest_net(void);

/* Hostile back ends: selftest_net_back.c. Each gives NULL, or what went wrong; netfront must run. */
const char *selftest_net_back_index(void);
const char *selftest_net_back_rx_id(void);
const char *selftest_net_back_rx_size(void);
const char *selftest_net_back_tx_id(void);

/* What netback offers, used: selftest_net_offers.c. */
const char *selftest_net_split_channels(void);
const char *selftest_net_half_split(void);
const char *selftest_net_multicast(void);
const char *selftest_net_antispoof(void);
