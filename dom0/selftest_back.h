// SPDX-License-Identifier: MIT
/*
 * Back ends that break the rules, for the self-test of the block path: the real front end has to
 * fail the requests in flight, give the disk up, and work again with the next back end.
 */
#pragma once

/* Each gives NULL, or what went wrong. blkfront must run. */
const char *selftest_back_answers(void);
const char *selftest_back_unknown_answer(void);
const char *selftest_back_vanishes(void);
const char *selftest_back_properties(void);
