// SPDX-License-Identifier: MIT
/*
 * virtio 1.x over PCI (dom0): transport and split queues. Source: OASIS virtio 1.1, sections 2.6
 * (split virtqueues), 3.1 (initialisation) and 4.1 (PCI). Transitional devices are driven in their
 * modern mode only; VIRTIO_F_VERSION_1 is always negotiated.
 *
 * DMA addresses are machine addresses. Buffers are given page piece by page piece: neighbouring
 * pages of this domain are not neighbours in the machine.
 *
 * A driver: virtio_open, virtio_negotiate, virtio_queue_init and virtio_queue_attach for each queue,
 * virtio_start, then virtio_queue_add / virtio_queue_kick / virtio_queue_get. Queue functions take no lock: a queue
 * belongs to one thread, or its user masks upcalls (event_save) around calls that can collide.
 */
#pragma once

#include "dom0/msix.h"
#include "dom0/pci.h"

#define VIRTIO_VENDOR 0x1af4U
/* Device types (virtio 1.1, section 5) */
#define VIRTIO_TYPE_NET 1U
#define VIRTIO_TYPE_BLOCK 2U
/* Feature bits common to all types */
#define VIRTIO_F_INDIRECT_DESC (1ULL << 28)
#define VIRTIO_F_EVENT_IDX (1ULL << 29)
#define VIRTIO_F_VERSION_1 (1ULL << 32)

/* So that each of a queue's three parts fits into one page. */
#define VIRTIO_QUEUE_SIZE_MAX 256U

struct virtio_desc;
struct virtio_avail;
struct virtio_used;

/* One piece of memory, contiguous in the machine. */
struct virtio_buffer {
    uint64_t maddr;
    uint32_t length;
};

struct virtio_queue {
    struct virtio_device *device;
    uint16_t index;
    uint16_t size;       /* descriptors, a power of 2 */
    uint16_t free_count; /* descriptors that virtio_queue_add can use */
    /* private */
    uint16_t free_head;
    uint16_t avail_next;
    uint16_t used_next;
    uint16_t kicked; /* avail_next at the last kick */
    bool quiet;      /* interrupts are not wanted */
    struct virtio_desc *desc;
    struct virtio_avail *avail; /* with the used ring in one page */
    struct virtio_used *used;
    volatile uint16_t *notify;
    struct msix_vector vector;
    struct virtio_desc *indirect[VIRTIO_QUEUE_SIZE_MAX]; /* a table for each head, or all NULL */
    unsigned int indirect_max;                           /* descriptors of such a table */
    uint16_t chain_length[VIRTIO_QUEUE_SIZE_MAX];        /* of a chain in use, by head; else 0 */
    void *cookies[VIRTIO_QUEUE_SIZE_MAX];                /* by head */
    struct virtio_queue *next;
};

struct virtio_device {
    struct pci_device *pci;
    unsigned int type;
    uint64_t features;        /* as negotiated */
    volatile uint8_t *config; /* device-specific registers; NULL if none */
    uint32_t config_length;
    bool broken; /* the device answered nonsense: its queues stand still */
    /* private */
    volatile uint8_t *common;
    volatile uint8_t *notify_base;
    uint32_t notify_length;
    uint32_t notify_multiplier;
    struct msix_vector config_vector;
    struct virtio_queue *queues;
};

/* Type of a virtio device, 0 for any other PCI device. */
unsigned int virtio_type(const struct pci_device *pci);
/* Maps the registers, resets the device and says that there is a driver. 0 or -XEN_E*. */
int virtio_open(struct virtio_device *device, struct pci_device *pci);
/* Takes those of `wanted` that the device offers; device->features tells which. -XEN_EOPNOTSUPP:
 * one of `required` was not offered, or the device refused. */
int virtio_negotiate(struct virtio_device *device, uint64_t wanted, uint64_t required);
/* Sets up queue `index` with at most `size_limit` descriptors; it is polled unless attached.
 * -XEN_ENOENT: the device has no such queue. */
int virtio_queue_init(struct virtio_device *device, struct virtio_queue *queue, uint16_t index,
                      uint16_t size_limit);
/* Interrupts of the queue, by MSI-X entry index + 1, to a handler in event context. */
int virtio_queue_attach(struct virtio_queue *queue, event_handler *handler, void *arg);
/* Chains of 2..chain_max buffers take one descriptor of the queue, if the device knows how
 * (VIRTIO_F_INDIRECT_DESC negotiated); else this does nothing. */
int virtio_queue_use_indirect(struct virtio_queue *queue, unsigned int chain_max);
/* Interrupts of configuration changes (link, capacity), by MSI-X entry 0. */
int virtio_config_attach(struct virtio_device *device, event_handler *handler, void *arg);
/* DRIVER_OK: after it the queues run. */
void virtio_start(struct virtio_device *device);
/* Resets the device, so that its DMA has ended, and frees what the queues hold. -XEN_EIO: it does
 * not reset, and may still write to memory that it was given. */
int virtio_close(struct virtio_device *device);

/*
 * Adds one chain: first `out` buffers that the device reads, then `in` buffers that it writes.
 * -XEN_ENOSPC: not enough free descriptors. The cookie (not NULL) comes back from
 * virtio_queue_get. The device sees the chain after virtio_queue_kick.
 */
int virtio_queue_add(struct virtio_queue *queue, const struct virtio_buffer *buffers,
                     unsigned int out, unsigned int in, void *cookie);
void virtio_queue_kick(struct virtio_queue *queue);
/* The cookie of the next chain that the device has finished and the bytes that it wrote (written
 * may be NULL), or NULL. */
void *virtio_queue_get(struct virtio_queue *queue, uint32_t *written);
/* Interrupts off (advice only) and on; on gives true if a finished chain waits already: look
 * again. They are on at first. */
void virtio_queue_interrupt_disable(struct virtio_queue *queue);
bool virtio_queue_interrupt_enable(struct virtio_queue *queue);

/* Device-specific registers, little-endian as on the device. */
uint8_t virtio_config_read8(const struct virtio_device *device, uint32_t offset);
uint16_t virtio_config_read16(const struct virtio_device *device, uint32_t offset);
uint32_t virtio_config_read32(const struct virtio_device *device, uint32_t offset);
/* Two reads under the configuration generation. */
uint64_t virtio_config_read64(const struct virtio_device *device, uint32_t offset);
