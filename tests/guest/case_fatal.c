#include "tests/guest/guest.h"
void fatal_run(const char *name) { (void)name; }
