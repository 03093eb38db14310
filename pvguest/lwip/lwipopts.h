// SPDX-License-Identifier: MIT
/* lwIP as pvguest uses it: raw API, called from cooperative threads, memory from the heap. */
#pragma once

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0

/* Memory: malloc throughout, so a small guest pays only for what it uses. */
#define MEM_LIBC_MALLOC 1
#define MEMP_MEM_MALLOC 1
#define MEM_ALIGNMENT 16
#define MEMP_NUM_TCP_SEG 1024
#define MEMP_NUM_REASSDATA 5
#define TCP_OOSEQ_MAX_PBUFS 32 /* a segment pins a page however small it is */
#define IP_REASS_MAX_PBUFS 64

#define LWIP_IPV4 1
#define LWIP_IPV6 1
#define LWIP_IPV6_DHCP6 0
#define IPV6_FRAG_COPYHEADER 1
#define LWIP_DHCP 1
#define LWIP_DNS 1
#define LWIP_ICMP 1
#define LWIP_UDP 1
#define LWIP_TCP 1
#define LWIP_NETIF_HOSTNAME 1
#define LWIP_NETIF_STATUS_CALLBACK 1
#define LWIP_BROADCAST_PING 0

/* Throughput: receive windows of 256 KiB. */
#define TCP_MSS 1460
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 4
#define TCP_WND (256 * 1024)
#define TCP_SND_BUF (44 * TCP_MSS)
#define TCP_SND_QUEUELEN 256
#define TCP_SNDLOWAT (22 * TCP_MSS)
#define TCP_LISTEN_BACKLOG 1
#define TCP_OVERSIZE TCP_MSS

/* Checksums per packet and direction: see netstack.c. */
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1
#define LWIP_SUPPORT_CUSTOM_PBUF 1
#define LWIP_NETIF_TX_SINGLE_PBUF 0

#define LWIP_STATS 0
