// SPDX-License-Identifier: MIT
// Names of text addresses; symbol_format() is in hypervisor/panic.h.
#pragma once

#include "hypervisor/types.h"

bool symbol_is_text(uint64_t address);
