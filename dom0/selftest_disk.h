// SPDX-License-Identifier: MIT
/*
 * Self-test of the block path in dom0: the disk itself, then front end and back end against each
 * other in this domain, then front ends that break the rules. What it overwrites on the disk (its
 * first MiB) is put back at the end.
 */
#pragma once

/* Prints "PASS disk/CASE" or "FAIL disk/CASE: reason" lines and a RESULT line; gives the number of
 * failures. Needs blkback_init, and a disk that no guest uses. */
int selftest_disk(const char *disk);
