/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft.h - the lab's nftables table (owner flag: it dies with its socket), the
 * search for forward chains that drop, and the lab's conntrack entries.
 */
#ifndef CHOPPY_NFT_H
#define CHOPPY_NFT_H

#include "choppy.h"

struct nft_table; /* holds the socket that owns the table */

struct nft_rules {
	const char *table; /* table name, "choppy-NAME" */
	const char *comment; /* ownership tag, stored as the table's comment userdata */
	const char *host_dev; /* the lab's device in the host's namespace */
	struct in_addr addr4; /* masquerade the prefix addr4/len4; len4 0: none */
	uint8_t len4;
	struct in6_addr addr6; /* likewise; len6 0: none */
	uint8_t len6;
	const char *out_dev; /* not NULL: masquerade all that leaves by this device instead */
	/*
	 * When not 0: UDP and TCP to port 53 that arrive on @host_dev for the
	 * gateway's own addresses are redirected to this port (host byte order).
	 */
	uint16_t dns_port;
	/*
	 * What arrives on @host_dev for this address goes to 127.0.0.1, where the device has
	 * route_localnet; all zero: none.
	 */
	struct in_addr host4;
};

struct nl_msg;
/* Make table @table with what @put writes, in the current namespace, in one atomic batch. */
int nft_table_make(struct nft_table **ret, const char *table,
		   void (*put)(struct nl_msg *m, const void *rules), const void *rules,
		   struct choppy_err *err);
/* The table of the uplink nat. */
int nft_table_add(struct nft_table **ret, const struct nft_rules *rules, struct choppy_err *err);

/*
 * What the uplink relay wants of the gateway's namespace, where every address is local (see
 * relay.h): connections and datagrams from the node to any address but the gateway's own go to the
 * sockets on @port. A SYN is dropped where it arrives and taken where the relay writes
 * it again, on the loopback device. What the kernel itself would say in the name of other
 * addresses than the gateway's is dropped; the relay's words carry @mark.
 */
struct nft_relay {
	const char *table, *comment; /* as in struct nft_rules */
	const char *dev; /* where the node's packets arrive */
	struct in_addr gateway4;
	struct in6_addr gateway6;
	bool v4, v6;
	uint16_t port; /* host byte order */
	uint32_t mark;
};
int nft_relay_add(struct nft_table **ret, const struct nft_relay *rules, struct choppy_err *err);

/*
 * Wait until the kernel has deleted @table of a lab that is dead, which it does some time after
 * the keeper's end. Whose it is, @comment tells, as in struct nft_rules. 0: there is none (any
 * more); -EEXIST: it is somebody else's; -ETIMEDOUT: it stays.
 */
int nft_table_wait(const char *table, const char *comment, struct choppy_err *err);

/*
 * Delete the table now, which takes effect at once and does not wait. What then stands for a
 * nft_table_free() a moment later is next to nothing, where a close alone waits for an RCU grace
 * period (15 ms): so delete first, do the rest of the work, and free last. NULL is fine.
 */
void nft_table_delete(struct nft_table *t);

/* The socket that owns the table, for defer.h. */
int nft_table_fd(const struct nft_table *t);

/* Close the socket: the kernel deletes the table, if it is still there. NULL is fine. */
void nft_table_free(struct nft_table *t);

/*
 * Look for base chains on the forward hook (IPv4, inet; filter type) whose policy is drop.
 * @ret: 1 and @text holds one line that names the chain and the one command that
 * lets @host_dev through; 0 when there is none. Dumps the tables of the current namespace. */
int nft_forward_drop(int *ret, char *text, size_t size, const char *host_dev,
		     struct choppy_err *err);

/*
 * Delete the conntrack entries of the current namespace whose original source
 * or destination, or reply source, lies in @addr/@len (@family AF_INET or AF_INET6). @ret_n: how
 * many; may be NULL. A kernel without conntrack has none: 0.
 */
int conntrack_flush(int family, const void *addr, uint8_t len, unsigned int *ret_n,
		    struct choppy_err *err);

#endif
