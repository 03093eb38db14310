# SPDX-License-Identifier: MIT
"""Which conformance cases are about a module of the hypervisor (hypervisor/modules.mk): they say nothing of one that
was built without it."""

import fnmatch

BUILT_WITH = "build/gen/hypervisor/modules"
EVENTS = "event_channel_op/"
QUEUES = ("before_set_up", "set_up_*", "odd_places", "array_refused", "pages_are_held", "word_by_word", "masked_ports",
          "priorities", "moves_between_queues", "before_the_words", "closed_while_in_a_queue", "many_ports",
          "virtual_interrupt_queued", "polls", "words_of_ones", "links_in_circles", "in_a_multicall",
          "resets_under_senders", "words_that_change", "nothing_is_lost")
CASES = {
    "fifo": [EVENTS + case for case in QUEUES] + ["pair_events/between_queues_and_levels"],
    "off_ops": ["xenoprof_op/*", "hvm_op/*", "kexec_op/*", "dm_op/*", "arch_1/*", "xenpmu_op/*", "pair_privilege/features_refused"],
    "check_frames": ["paravane_op/frames_are_counted_right", "paravane_op/others_are_not_told"],
    "longest_call": ["paravane_op/longest_stretches"],
}


def left_out():
    """Patterns of the cases that the hypervisor as it is built cannot pass."""
    with open(BUILT_WITH, encoding="ascii") as file:
        modules = file.read().split()
    return [pattern for module, patterns in CASES.items() if module not in modules for pattern in patterns]


def is_listed(case, patterns):
    return any(fnmatch.fnmatchcase(case, pattern) for pattern in patterns)
