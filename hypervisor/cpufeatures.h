// SPDX-License-Identifier: MIT
// Detection of struct cpu_features (hypervisor/cpu.h) and the control registers that follow from it.
#pragma once

void cpu_features_init(void);  // boot CPU; panics when something indispensable is missing
void cpu_features_apply(void); // each CPU: CR0, CR4, EFER, XCR0
void cpu_features_print(void);
