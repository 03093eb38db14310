// SPDX-License-Identifier: MIT
/* What the files of the guest `bench` share. */
#pragma once

/* Lets so many vcpus send at the same time, up to 4, and waits for all: how many sends there were, or -XEN_E*. */
long senders_run(unsigned int count);
