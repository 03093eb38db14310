// SPDX-License-Identifier: MIT
// Builds the control domain from the boot modules.
#pragma once

// Module 0 is the kernel (its text the command line), module 1 its initrd. Panics with what is wrong
// when it cannot be built. Options: dom0_mem=, dom0_max_vcpus=. dom0 is ready to run and paused.
void dom0_build(void);
