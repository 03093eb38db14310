// SPDX-License-Identifier: MIT
// Names of text addresses; symbol_format() is in hypervisor/panic.h.
#ifndef HYPERVISOR_SYMBOLS_H
#define HYPERVISOR_SYMBOLS_H

#include "hypervisor/types.h"

bool symbol_is_text(uint64_t address);

#endif
