/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "err.h"
#include "nl.h"

/* Skip for want of what this machine lacks, unless nothing may be skipped. */
#define need(cond, why)                                                                            \
	do {                                                                                       \
		if (cond)                                                                          \
			break;                                                                     \
		if (getenv("CHOPPY_MUST_WORK"))                                                    \
			fail_msg("not skipped, but missing: %s", why);                             \
		print_message("# skipped: %s\n", why);                                             \
		skip();                                                                            \
	} while (0)

/* *state is not NULL where the tests may change the network. */
static int setup(void **state)
{
	static const bool yes = true;

	if (unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0)
		*state = (void *)&yes;
	return 0;
}

static struct nl *open_route(void)
{
	struct choppy_err err = { 0 };
	struct nl *nl = NULL;

	assert_int_equal(nl_open(&nl, NETLINK_ROUTE, &err), 0);
	return nl;
}

/* ------------------------------------------------------------------ builder */

static void test_bytes(void **state)
{
	struct nl_msg m;
	struct nlattr *info, *data;
	struct ifinfomsg *ifi;
	const unsigned char want[] = {
		/* header: 80 bytes, RTM_NEWLINK, REQUEST|ACK|EXCL|CREATE, seq 0, pid 0 */
		80, 0, 0, 0, 16, 0, 0x05, 0x06, 0, 0, 0, 0, 0, 0, 0, 0,
		/* ifinfomsg: index 7 */
		0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		/* IFLA_IFNAME "abcd", padded by three */
		9, 0, 3, 0, 'a', 'b', 'c', 'd', 0, 0, 0, 0,
		/* IFLA_LINKINFO nest: KIND "x", DATA nest: u8 5, u16 2, empty */
		36, 0, 18, 0x80, 6, 0, 1, 0, 'x', 0, 0, 0, 24, 0, 2, 0x80, 5, 0, 1, 0, 5, 0, 0, 0,
		6, 0, 2, 0, 2, 1, 0, 0, 4, 0, 3, 0
	};

	nl_msg_init(&m);
	nl_begin(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, "link %d", 7);
	ifi = nl_header(&m, sizeof(*ifi));
	ifi->ifi_index = 7;
	nl_put_str(&m, IFLA_IFNAME, "abcd");
	info = nl_nest(&m, IFLA_LINKINFO);
	nl_put_str(&m, IFLA_INFO_KIND, "x");
	data = nl_nest(&m, IFLA_INFO_DATA);
	nl_put_u8(&m, 1, 5);
	nl_put_u16(&m, 2, 0x0102);
	nl_put(&m, 3, NULL, 0);
	nl_end(&m, data);
	nl_end(&m, info);
	assert_int_equal(m.error, 0);
	assert_string_equal(m.label[0], "link 7");
	assert_int_equal(m.cur->nlmsg_len, sizeof(want));
	if (ntohs(1) != 1) /* the expectation is written for little-endian */
		assert_memory_equal(m.cur, want, sizeof(want));
}

/* The padding of a reused buffer holds nothing of the message before. */
static void test_padding_is_zero(void **state)
{
	struct nl_msg m;

	memset(&m, 0xee, sizeof(m));
	nl_msg_init(&m);
	nl_begin(&m, RTM_NEWLINK, 0, "x");
	nl_header(&m, sizeof(struct ifinfomsg));
	nl_put_u8(&m, 1, 0xff);
	for (size_t i = MNL_NLMSG_HDRLEN + sizeof(struct ifinfomsg) + MNL_ATTR_HDRLEN + 1;
	     i < m.cur->nlmsg_len; i++)
		assert_int_equal((unsigned char)m.buf[i], 0);
}

static void test_two_messages(void **state)
{
	struct nl_msg m;
	struct nlmsghdr *first;

	nl_msg_init(&m);
	nl_begin(&m, RTM_NEWLINK, 0, "one");
	nl_put_u32(&m, 1, 1);
	first = m.cur;
	nl_begin(&m, RTM_DELLINK, 0, "two");
	nl_put_u64(&m, 2, 1);
	assert_int_equal(m.n, 2);
	assert_ptr_equal((char *)first + first->nlmsg_len, m.cur);
	assert_int_equal(m.cur->nlmsg_type, RTM_DELLINK);
	assert_int_equal(m.cur->nlmsg_len, 16 + 12);
}

/* Refused before it is sent: the kernel's words would be others. */
static void expect_bad(struct nl_msg *m, int code)
{
	struct choppy_err err = { 0 };
	struct nl *nl = open_route();

	assert_int_equal(nl_do(nl, m, &err), code);
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.msg, "last label: netlink message"));
	nl_close(nl);
}

static void test_overflow_is_sticky(void **state)
{
	static const char big[NL_MSG_MAX];
	struct nl_msg m;

	nl_msg_init(&m);
	nl_begin(&m, RTM_NEWLINK, 0, "last label");
	nl_header(&m, sizeof(struct ifinfomsg));
	nl_put(&m, 1, big, UINT16_MAX - 3 - 4); /* the longest attribute without padding */
	nl_put(&m, 1, big, NL_MSG_MAX - 16 - 16 - (UINT16_MAX - 3) - 4); /* exactly full */
	assert_int_equal(m.error, 0);
	nl_put(&m, 1, NULL, 0);
	assert_int_equal(m.error, -EMSGSIZE);
	nl_put_u8(&m, 1, 1);
	assert_int_equal(m.cur->nlmsg_len, NL_MSG_MAX);
	assert_non_null(nl_header(&m, 8));
	assert_null(nl_nest(&m, 1));
	expect_bad(&m, -EMSGSIZE);

	nl_msg_init(&m);
	nl_begin(&m, RTM_NEWLINK, 0, "last label");
	nl_put(&m, 1, big, SIZE_MAX - 2); /* the padded length wraps */
	assert_int_equal(m.error, -EMSGSIZE);

	nl_msg_init(&m);
	nl_begin(&m, RTM_NEWLINK, 0, "last label");
	assert_non_null(nl_header(&m, SIZE_MAX - 2));
	assert_int_equal(m.error, -EMSGSIZE);

	nl_msg_init(&m);
	for (int i = 0; i < NL_MSG_LABELS; i++)
		nl_begin(&m, RTM_NEWLINK, 0, "last label");
	assert_int_equal(m.error, 0);
	nl_begin(&m, RTM_NEWLINK, 0, "one too many");
	assert_int_equal(m.error, -EMSGSIZE);
	expect_bad(&m, -EMSGSIZE);
}

static void test_bad_nests_are_sticky(void **state)
{
	struct nlattr *a, *b;
	struct nl_msg m;

	nl_msg_init(&m);
	nl_begin(&m, RTM_NEWLINK, 0, "last label");
	a = nl_nest(&m, 1);
	b = nl_nest(&m, 2);
	nl_end(&m, a); /* the outer before the inner */
	assert_int_equal(m.error, -EINVAL);
	nl_end(&m, b);
	expect_bad(&m, -EINVAL);

	nl_msg_init(&m);
	nl_begin(&m, RTM_NEWLINK, 0, "last label");
	a = nl_nest(&m, 1);
	nl_end(&m, a);
	nl_end(&m, a); /* twice */
	assert_int_equal(m.error, -EINVAL);

	nl_msg_init(&m);
	nl_begin(&m, RTM_NEWLINK, 0, "last label");
	nl_nest(&m, 1); /* never ended */
	expect_bad(&m, -EINVAL);
	nl_begin(&m, RTM_NEWLINK, 0, "next");
	assert_int_equal(m.error, -EINVAL);

	nl_msg_init(&m);
	nl_begin(&m, RTM_NEWLINK, 0, "last label");
	for (int i = 0; i <= NL_MSG_NESTS; i++)
		nl_nest(&m, 1);
	expect_bad(&m, -EINVAL);

	nl_msg_init(&m);
	nl_put_u8(&m, 1, 1); /* before nl_begin() */
	assert_int_equal(m.error, -EINVAL);
}

/* ------------------------------------------------------------------ parsing */

struct attr_row {
	const char *name;
	size_t len;
	unsigned char bytes[16];
	int result;
	int present; /* attribute of type 1: length of its payload, or -1 */
};

static const struct attr_row attr_rows[] = {
	{ "nothing", 0, { 0 }, 0, -1 },
	{ "one", 8, { 8, 0, 1, 0, 1, 2, 3, 4 }, 0, 4 },
	{ "empty payload", 4, { 4, 0, 1, 0 }, 0, 0 },
	{ "nested flag is no part of the type", 4, { 4, 0, 1, 0x80 }, 0, 0 },
	{ "last without padding", 5, { 5, 0, 1, 0, 9 }, 0, 1 },
	{ "unknown type", 4, { 4, 0, 9, 0 }, 0, -1 },
	{ "the last of two counts", 12, { 4, 0, 1, 0, 8, 0, 1, 0, 1, 2, 3, 4 }, 0, 4 },
	{ "longer than the buffer", 8, { 9, 0, 1, 0, 1, 2, 3, 4 }, -EBADMSG, -1 },
	{ "shorter than its header", 8, { 3, 0, 1, 0, 1, 2, 3, 4 }, -EBADMSG, -1 },
	{ "length 0", 4, { 0, 0, 1, 0 }, -EBADMSG, -1 },
	{ "half a header", 2, { 4, 0 }, -EBADMSG, -1 },
	{ "garbage behind", 7, { 4, 0, 1, 0, 4, 0, 2 }, -EBADMSG, 0 },
};

static void test_parse_table(void **state)
{
	const struct nlattr *tb[3];

	for (size_t i = 0; i < sizeof(attr_rows) / sizeof(attr_rows[0]); i++) {
		const struct attr_row *row = &attr_rows[i];
		char *copy = malloc(row->len + !row->len); /* so that ASan sees an overrun */
		int got;

		memcpy(copy, row->bytes, row->len);
		print_message("# %s\n", row->name);
		assert_int_equal(nl_parse_buf(copy, row->len, tb, 2), row->result);
		got = tb[1] ? mnl_attr_get_payload_len(tb[1]) : -1;
		assert_int_equal(got, row->present);
		free(copy);
	}
}

/* Random bytes of every length: nothing is read or found outside of them. */
static void test_parse_random(void **state)
{
	const struct nlattr *tb[8];
	uint32_t x = 1;

	for (int round = 0; round < 20000; round++) {
		size_t len = round % 64;
		unsigned char *p = malloc(len + !len);

		for (size_t i = 0; i < len; i++) {
			x = x * 1664525 + 1013904223;
			p[i] = (x >> 24) % (i % 4 == 0 ? 20 : i % 2 ? 2 : 9);
		}
		nl_parse_buf(p, len, tb, 7);
		for (int t = 0; t < 8; t++)
			if (tb[t]) {
				assert_true((unsigned char *)tb[t] >= p);
				assert_true((unsigned char *)tb[t] + tb[t]->nla_len <= p + len);
			}
		free(p);
	}
}

static void test_parse_message(void **state)
{
	const struct nlattr *tb[2];
	struct nl_msg m;

	nl_msg_init(&m);
	nl_begin(&m, 99, 0, "x");
	nl_header(&m, 6); /* padded to 8 */
	nl_put_u32(&m, 1, 77);
	assert_int_equal(nl_parse(m.cur, 6, tb, 1), 0);
	assert_int_equal(mnl_attr_get_u32(tb[1]), 77);
	assert_int_equal(nl_parse(m.cur, 99, tb, 1), -EBADMSG);
	assert_null(tb[1]);
	m.cur->nlmsg_len = 3;
	assert_int_equal(nl_parse(m.cur, 6, tb, 1), -EBADMSG);
}

/* ------------------------------------------------------------------- kernel */

static void put_veth(struct nl_msg *m, const char *name, const char *peer)
{
	struct nlattr *info, *data, *p;

	nl_begin(m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, "adding %s", name);
	nl_header(m, sizeof(struct ifinfomsg));
	nl_put_str(m, IFLA_IFNAME, name);
	info = nl_nest(m, IFLA_LINKINFO);
	nl_put_str(m, IFLA_INFO_KIND, "veth");
	data = nl_nest(m, IFLA_INFO_DATA);
	p = nl_nest(m, VETH_INFO_PEER);
	nl_header(m, sizeof(struct ifinfomsg));
	nl_put_str(m, IFLA_IFNAME, peer);
	nl_end(m, p);
	nl_end(m, data);
	nl_end(m, info);
}

static void put_del(struct nl_msg *m, const char *name)
{
	nl_begin(m, RTM_DELLINK, 0, "removing %s", name);
	nl_header(m, sizeof(struct ifinfomsg));
	nl_put_str(m, IFLA_IFNAME, name);
}

static void test_batch_of_links(void **state)
{
	struct choppy_err err = { 0 };
	struct nl *nl;
	struct nl_msg m;

	need(*state, "a network namespace of its own");
	nl = open_route();
	nl_msg_init(&m);
	put_veth(&m, "a0", "a1");
	put_veth(&m, "b0", "b1");
	if (nl_do(nl, &m, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(if_nametoindex("a1") && if_nametoindex("b1"));
	nl_msg_init(&m);
	put_del(&m, "a0");
	put_del(&m, "b1");
	assert_int_equal(nl_do(nl, &m, &err), 0);
	assert_false(if_nametoindex("a1") || if_nametoindex("b0"));
	nl_close(nl);
}

/* The first refusal is the result, with its label; what stands behind it was done all the same. */
static void test_first_refusal(void **state)
{
	struct choppy_err err = { 0 };
	struct nl *nl;
	struct nl_msg m;

	need(*state, "a network namespace of its own");
	nl = open_route();
	nl_msg_init(&m);
	put_veth(&m, "a0", "a1");
	put_veth(&m, "c0", "a1");
	put_del(&m, "nobody");
	put_veth(&m, "d0", "d1");
	assert_int_equal(nl_do(nl, &m, &err), -EEXIST);
	assert_string_equal(err.msg, "adding c0: File exists");
	assert_int_equal(err.code, -EEXIST);
	assert_true(if_nametoindex("d1"));
	nl_msg_init(&m);
	put_del(&m, "d0");
	put_del(&m, "a0");
	assert_int_equal(nl_do(nl, &m, &err), 0);
	nl_close(nl);
}

static void test_kernel_words(void **state)
{
	struct choppy_err err = { 0 };
	struct nl *nl;
	struct nl_msg m;
	struct tcmsg *tcm;

	need(*state, "a network namespace of its own");
	nl = open_route();
	nl_msg_init(&m);
	nl_begin(&m, RTM_NEWQDISC, NLM_F_CREATE, "adding nonsense");
	tcm = nl_header(&m, sizeof(*tcm));
	tcm->tcm_ifindex = 1;
	tcm->tcm_parent = TC_H_ROOT;
	nl_put_str(&m, TCA_KIND, "nonsense");
	assert_int_equal(nl_do(nl, &m, &err), -ENOENT);
	assert_string_equal(err.msg, "adding nonsense: Specified qdisc kind is unknown "
				     "(No such file or directory)");
	assert_int_equal(nl_do(nl, &m, NULL), -ENOENT); /* nobody who listens */
	nl_close(nl);
}

/* -------------------------------------------------------------------- dumps */

#define ADDRESSES 1500
#define PER_BATCH 30

static void put_address(struct nl_msg *m, uint16_t type, uint32_t i)
{
	uint32_t addr = htonl(0x0a000000 + i);
	struct ifaddrmsg *ifa;

	nl_begin(m, type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_EXCL : 0, "address %u", i);
	ifa = nl_header(m, sizeof(*ifa));
	ifa->ifa_family = AF_INET;
	ifa->ifa_prefixlen = 32;
	ifa->ifa_index = 1;
	nl_put(m, IFA_LOCAL, &addr, sizeof(addr));
}

struct walk {
	struct nl *other; /* changes things while we read */
	int changes; /* that it may still make */
	bool toggle, changed; /* in this pass */
	int n, restarts, stop_at;
	unsigned char seen[ADDRESSES + 1];
};

static int each_address(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nlattr *tb[IFA_MAX + 1];
	struct walk *w = ctx;
	uint32_t i;

	assert_int_equal(nlh->nlmsg_type, RTM_NEWADDR);
	assert_int_equal(nl_parse(nlh, sizeof(struct ifaddrmsg), tb, IFA_MAX), 0);
	assert_non_null(tb[IFA_LOCAL]);
	i = ntohl(mnl_attr_get_u32(tb[IFA_LOCAL])) - 0x0a000000;
	if (i <= ADDRESSES)
		w->seen[i]++;
	w->n++;
	if (w->stop_at && w->n == w->stop_at)
		return -ECANCELED;
	if (w->changes && !w->changed) {
		struct choppy_err err = { 0 };
		struct nl_msg m;

		nl_msg_init(&m);
		put_address(&m, w->toggle ? RTM_DELADDR : RTM_NEWADDR, ADDRESSES);
		if (nl_do(w->other, &m, &err) < 0)
			fail_msg("%s", err.msg);
		w->toggle = !w->toggle;
		w->changed = true;
		w->changes--;
	}
	return 0;
}

static void restart(void *ctx)
{
	struct walk *w = ctx;

	w->restarts++;
	w->n = 0;
	w->changed = false;
	memset(w->seen, 0, sizeof(w->seen));
}

static int walk_addresses(struct nl *nl, struct walk *w, struct choppy_err *err)
{
	struct ifaddrmsg *ifa;
	struct nl_msg m;

	nl_msg_init(&m);
	nl_begin(&m, RTM_GETADDR, 0, "listing addresses");
	ifa = nl_header(&m, sizeof(*ifa));
	ifa->ifa_family = AF_INET;
	return nl_each(nl, &m, true, each_address, restart, w, err);
}

static void test_dump(void **state)
{
	struct choppy_err err = { 0 };
	struct walk w = { 0 };
	struct nl *nl;
	struct nl_msg m;

	need(*state, "a network namespace of its own");
	nl = open_route();
	for (uint32_t i = 0; i < ADDRESSES; i += PER_BATCH) {
		nl_msg_init(&m);
		for (uint32_t j = i; j < i + PER_BATCH; j++)
			put_address(&m, RTM_NEWADDR, j);
		if (nl_do(nl, &m, &err) < 0)
			fail_msg("%s", err.msg);
	}
	assert_int_equal(walk_addresses(nl, &w, &err), 0);
	assert_int_equal(w.n, ADDRESSES);
	assert_int_equal(w.restarts, 0);

	/* changed twice under way: begun again twice, and the last pass is whole */
	w = (struct walk){ .changes = 2 };
	w.other = open_route();
	assert_int_equal(walk_addresses(nl, &w, &err), 0);
	assert_int_equal(w.restarts, 2);
	assert_int_equal(w.n, ADDRESSES);
	for (int i = 0; i < ADDRESSES; i++)
		assert_int_equal(w.seen[i], 1);

	/* changed without end */
	w.changes = 1000;
	assert_int_equal(walk_addresses(nl, &w, &err), -EAGAIN);
	assert_non_null(strstr(err.msg, "listing addresses: kept changing"));
	nl_close(w.other);

	/* the caller has enough; the socket can be used again at once */
	w = (struct walk){ .stop_at = 5 };
	assert_int_equal(walk_addresses(nl, &w, &err), -ECANCELED);
	assert_int_equal(w.n, 5);
	assert_int_equal(err.code, -ECANCELED);
	w = (struct walk){ 0 };
	assert_int_equal(walk_addresses(nl, &w, &err), 0);
	assert_true(w.n >= ADDRESSES);
	nl_close(nl);
}

static void test_get(void **state)
{
	struct choppy_err err = { 0 };
	struct walk w = { 0 };
	struct ifinfomsg *ifi;
	struct nl_msg m;
	struct nl *nl = open_route();

	nl_msg_init(&m);
	nl_begin(&m, RTM_GETLINK, 0, "reading link 77777");
	ifi = nl_header(&m, sizeof(*ifi));
	ifi->ifi_index = 77777;
	assert_int_equal(nl_each(nl, &m, false, each_address, NULL, &w, &err), -ENODEV);
	assert_string_equal(err.msg, "reading link 77777: No such device");
	assert_int_equal(w.n, 0);
	nl_close(nl);
}

static void test_socket(void **state)
{
	struct choppy_err err = { 0 };
	struct nl *nl = open_route(), *bad = (struct nl *)1;

	assert_true(fcntl(nl_fd(nl), F_GETFD) & FD_CLOEXEC);
	nl_close(nl);
	nl_close(NULL);
	assert_true(nl_open(&bad, 31, &err) < 0);
	assert_ptr_equal(bad, (struct nl *)1);
	assert_true(err.code < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_padding_is_zero),
		cmocka_unit_test(test_two_messages),
		cmocka_unit_test(test_overflow_is_sticky),
		cmocka_unit_test(test_bad_nests_are_sticky),
		cmocka_unit_test(test_parse_table),
		cmocka_unit_test(test_parse_random),
		cmocka_unit_test(test_parse_message),
		cmocka_unit_test(test_batch_of_links),
		cmocka_unit_test(test_first_refusal),
		cmocka_unit_test(test_kernel_words),
		cmocka_unit_test(test_dump),
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_socket),
	};

	return cmocka_run_group_tests_name("nl", tests, setup, NULL);
}
