# SPDX-License-Identifier: MIT
# Host tests. For each: UNIT_TESTS += NAME, UNIT_NAME_SRCS := its sources and those under test,
# and if wanted UNIT_NAME_CFLAGS. The program becomes build/unit/NAME. tests/report.c is linked into
# each: main() returns report_run("NAME", cases, count) and prints what tests/run.py reads.

UNIT_TESTS += xenstore
# The store without its transports.
STORE_SRCS := $(addprefix dom0/,xenstore.c xenstore_access.c xenstore_commit.c xenstore_ending.c xenstore_fire.c \
	xenstore_merge.c xenstore_release.c xenstore_request.c xenstore_transaction.c xenstore_tree.c xenstore_watch.c)
UNIT_xenstore_SRCS := tests/unit/test_xenstore.c $(STORE_SRCS) dom0/xenstore_local.c dom0/xenstore_ring.c \
	tools/libxenstore/xs.c

UNIT_TESTS += xenstore_bounds xenstore_memory xenstore_commit
UNIT_xenstore_bounds_SRCS := tests/unit/test_xenstore_bounds.c tests/unit/store_fixture.c $(STORE_SRCS)
UNIT_xenstore_bounds_LIBS := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free
UNIT_xenstore_memory_SRCS := tests/unit/test_xenstore_memory.c tests/unit/store_fixture.c $(STORE_SRCS)
UNIT_xenstore_memory_LIBS := $(UNIT_xenstore_bounds_LIBS)
# Counts the blocks of code that the store runs.
UNIT_xenstore_commit_SRCS := tests/unit/test_xenstore_commit.c tests/unit/store_fixture.c $(STORE_SRCS)
UNIT_xenstore_commit_CFLAGS := -fsanitize-coverage=trace-pc
UNIT_xenstore_commit_LIBS := $(UNIT_xenstore_bounds_LIBS)

UNIT_TESTS += elf access
UNIT_elf_SRCS := tests/unit/test_elf.c hypervisor/elf.c hypervisor/elf_guest_section.c
UNIT_access_SRCS := tests/unit/test_access.c hypervisor/access.c tests/unit/host/host.c
UNIT_elf_CFLAGS := -Itests/unit/host
UNIT_access_CFLAGS := -Itests/unit/host
UNIT_access_LIBS := -lpthread
UNIT_TESTS += guest_image
UNIT_guest_image_SRCS := tests/unit/test_guest_image.c dom0/guest_image.c dom0/guest_layout.c
UNIT_guest_image_CFLAGS := -D_GNU_SOURCE

UNIT_TESTS += xl_config
UNIT_xl_config_SRCS := tests/unit/test_xl_config.c $(wildcard tools/xl/*.c)

UNIT_TESTS += refusal_ring
UNIT_refusal_ring_SRCS := tests/unit/test_refusal_ring.c hypervisor/refusal_ring.c tests/unit/host/host.c
UNIT_refusal_ring_CFLAGS := -Itests/unit/host
UNIT_TESTS += xl_options last_words
UNIT_xl_options_SRCS := tests/unit/test_xl_options.c dom0/xl_options.c
UNIT_xl_options_CFLAGS := -D_GNU_SOURCE
UNIT_last_words_SRCS := tests/unit/test_last_words.c dom0/last_words.c

UNIT_TESTS += format bootmem acpi options gzip
UNIT_options_SRCS := tests/unit/test_options.c hypervisor/options.c
UNIT_options_CFLAGS := -Itests/unit/host
UNIT_gzip_SRCS := tests/unit/test_gzip.c hypervisor/gzip.c
UNIT_gzip_CFLAGS := -Itests/unit/host
UNIT_gzip_LIBS := -lz
UNIT_format_SRCS := tests/unit/test_format.c tests/unit/host/host.c
UNIT_format_CFLAGS := -Itests/unit/host
UNIT_bootmem_SRCS := tests/unit/test_bootmem.c tests/unit/host/host.c
UNIT_bootmem_CFLAGS := -Itests/unit/host
UNIT_acpi_SRCS := tests/unit/test_acpi.c tests/unit/host/host.c
UNIT_acpi_CFLAGS := -Itests/unit/host
UNIT_TESTS += heap_check
UNIT_heap_check_SRCS := tests/unit/test_heap_check.c pvguest/heap_check.c
UNIT_TESTS += iso9660 blkback
UNIT_iso9660_SRCS := tests/unit/test_iso9660.c pvguest/iso9660.c pvguest/calendar.c
UNIT_iso9660_CFLAGS := -D_GNU_SOURCE
UNIT_blkback_SRCS := tests/unit/test_blkback.c dom0/blkback_request.c dom0/blkback_budget.c dom0/blkback_cache.c

UNIT_TESTS += decode bounce descriptor
UNIT_decode_SRCS := tests/unit/test_decode.c tests/unit/decode_oracle.c hypervisor/decode.c
UNIT_decode_LIBS := -lZydis
UNIT_bounce_SRCS := tests/unit/test_bounce.c
UNIT_bounce_CFLAGS := -Itests/unit/host
UNIT_descriptor_SRCS := tests/unit/test_descriptor.c hypervisor/descriptor_check.c
UNIT_descriptor_CFLAGS := -Itests/unit/host
# The memory cores, on simulated memory and CPUs.
MEMORY_CORE_SRCS := hypervisor/frame.c hypervisor/page_alloc.c hypervisor/page_type.c hypervisor/page_entry.c \
	hypervisor/tlb.c hypervisor/domain_memory.c tests/unit/host/host.c tests/unit/host/memory.c
UNIT_TESTS += frame page_alloc page_type tlb
UNIT_frame_SRCS := tests/unit/test_frame.c $(MEMORY_CORE_SRCS)
UNIT_frame_CFLAGS := -Itests/unit/host
UNIT_page_alloc_SRCS := tests/unit/test_page_alloc.c $(MEMORY_CORE_SRCS)
UNIT_page_alloc_CFLAGS := -Itests/unit/host
UNIT_tlb_SRCS := tests/unit/test_tlb.c $(MEMORY_CORE_SRCS)
UNIT_tlb_CFLAGS := -Itests/unit/host
PAGE_TYPE_SRCS := tests/unit/page_type_fixture.c tests/unit/page_type_model.c $(MEMORY_CORE_SRCS)
UNIT_page_type_SRCS := tests/unit/test_page_type.c $(PAGE_TYPE_SRCS)
UNIT_page_type_CFLAGS := -Itests/unit/host
UNIT_TESTS += page_random
UNIT_page_random_SRCS := tests/unit/test_page_random.c $(PAGE_TYPE_SRCS)
UNIT_page_random_CFLAGS := -Itests/unit/host
UNIT_TESTS += page_race
UNIT_page_race_SRCS := tests/unit/test_page_race.c tests/unit/page_type_model.c $(MEMORY_CORE_SRCS)
UNIT_page_race_CFLAGS := -Itests/unit/host -DHOST_PER_THREAD=_Thread_local
UNIT_TESTS += xenbus
UNIT_xenbus_SRCS := tests/unit/test_xenbus.c pvguest/xenbus.c pvguest/xenbus_node.c \
	pvguest/xenbus_device.c dom0/xenstore_xenbus.c $(STORE_SRCS)
UNIT_xenbus_CFLAGS := -D_GNU_SOURCE -D__XEN_INTERFACE_VERSION__=0x00040e00

# pvguest's memory and packets.
UNIT_TESTS += page net
UNIT_page_SRCS := tests/unit/test_page.c pvguest/page.c
UNIT_net_SRCS := tests/unit/test_net.c pvguest/net.c pvguest/net_checksum.c pvguest/net_segment.c
# Timers, events, the scheduler.
CORES_HOST := tests/unit/host/host.c tests/unit/host/cores.c
UNIT_TESTS += timer event sched sched_race
UNIT_timer_SRCS := tests/unit/test_timer.c hypervisor/timer.c $(CORES_HOST)
UNIT_timer_CFLAGS := -Itests/unit/host
EVENT_SRCS := event/port.c event/bind.c event/close.c event/delivery.c event/fifo.c \
	tests/unit/host/frames.c $(CORES_HOST)
UNIT_event_SRCS := tests/unit/test_event.c $(EVENT_SRCS)
UNIT_event_CFLAGS := -Itests/unit/host
UNIT_TESTS += fifo fifo_race
UNIT_fifo_SRCS := tests/unit/test_fifo.c tests/unit/fifo_guest.c $(EVENT_SRCS)
UNIT_fifo_CFLAGS := -Itests/unit/host
UNIT_fifo_race_SRCS := tests/unit/test_fifo_race.c tests/unit/fifo_guest.c $(EVENT_SRCS)
UNIT_fifo_race_CFLAGS := -Itests/unit/host -DHOST_PER_THREAD=_Thread_local
UNIT_fifo_race_LIBS := -lpthread
UNIT_TESTS += event_race
UNIT_event_race_SRCS := tests/unit/test_event_race.c tests/unit/fifo_guest.c $(EVENT_SRCS)
UNIT_event_race_CFLAGS := -Itests/unit/host -DHOST_PER_THREAD=_Thread_local
UNIT_event_race_LIBS := -lpthread -Wl,--wrap=event_port_is_linked
SCHED_SRCS := tests/unit/sched_fixture.c sched/sched.c sched/credit.c sched/wait.c \
	hypervisor/timer.c $(CORES_HOST)
UNIT_sched_SRCS := tests/unit/test_sched.c $(SCHED_SRCS)
UNIT_sched_CFLAGS := -Itests/unit/host
UNIT_sched_race_SRCS := tests/unit/test_sched_race.c $(SCHED_SRCS)
UNIT_sched_race_CFLAGS := -Itests/unit/host -DHOST_PER_THREAD=_Thread_local
UNIT_sched_race_LIBS := -Wl,--wrap=spin_trylock,--wrap=spin_lock_irqsave -lpthread

UNIT_TESTS += domain_table
UNIT_domain_table_SRCS := tests/unit/test_domain_table.c hypervisor/domain_table.c tests/unit/host/host.c
UNIT_domain_table_CFLAGS := -Itests/unit/host -DHOST_PER_THREAD=_Thread_local
UNIT_domain_table_LIBS := -lpthread

UNIT_TESTS += grant
UNIT_grant_SRCS := tests/unit/test_grant.c grant/table.c grant/track.c grant/map.c grant/copy.c grant/transfer.c \
	$(MEMORY_CORE_SRCS)
UNIT_grant_CFLAGS := -Itests/unit/host
UNIT_grant_LIBS := -lpthread

UNIT_TESTS += archive
UNIT_archive_SRCS := tests/unit/test_archive.c dom0/archive.c

UNIT_TESTS += console_ring
UNIT_console_ring_SRCS := tests/unit/test_console_ring.c dom0/console_ring.c
UNIT_TESTS += virtio_queue
UNIT_virtio_queue_SRCS := tests/unit/test_virtio_queue.c dom0/virtio_queue.c

# The network path.
UNIT_TESTS += bridge netback
UNIT_TESTS += netback_rate
UNIT_netback_rate_SRCS := tests/unit/test_netback_rate.c dom0/netback_rate.c
UNIT_TESTS += event_late
UNIT_event_late_SRCS := tests/unit/test_event_late.c pvguest/event_late.c
UNIT_bridge_SRCS := tests/unit/test_bridge.c dom0/bridge.c dom0/bridge_stations.c pvguest/net.c \
	pvguest/net_checksum.c pvguest/net_segment.c
UNIT_TESTS += netback_ring
UNIT_netback_ring_SRCS := tests/unit/test_netback_ring.c dom0/netback_tx.c dom0/netback_rx.c dom0/netback_rate.c \
	dom0/netback_request.c pvguest/net.c pvguest/net_checksum.c pvguest/net_segment.c
UNIT_netback_SRCS := tests/unit/test_netback.c dom0/netback_request.c
UNIT_TESTS += domain_kill
UNIT_domain_kill_SRCS := tests/unit/test_domain_kill.c hypervisor/domain_kill.c tests/unit/host/host.c
UNIT_domain_kill_CFLAGS := -Itests/unit/host

UNIT_TESTS += unpack
UNIT_unpack_SRCS := tests/unit/test_unpack.c dom0/unpack.c
UNIT_unpack_LIBS := -lz

UNIT_TESTS += http
UNIT_http_SRCS := tests/unit/test_http.c pvguest/http.c pvguest/calendar.c
UNIT_http_CFLAGS := -D_GNU_SOURCE

UNIT_TESTS += block
UNIT_block_SRCS := tests/unit/test_block.c pvguest/block.c
