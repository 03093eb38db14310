// SPDX-License-Identifier: MIT
/* Attacks through the store, for the table in hostile.c. They need no victim. */
#pragma once

struct victim;

/* Large transactions and their ends, beside as many watches as there can be; leaves large ones open. */
void large_commit(struct victim *v);
/* All that a domain may have in the store, and former states of it. */
void large_fill(struct victim *v);
