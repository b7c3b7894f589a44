/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Links, addresses and routes in a namespace of this process's own, and the choice of addresses. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "addr.h"
#include "link.h"
#include "ns.h"

static struct inet inet(const char *text)
{
	struct inet a;

	assert_int_equal(inet_parse(&a, text, NULL), 0);
	return a;
}

static void test_addresses_are_text_and_back(void **state)
{
	static const char *const good[] = { "10.1.1.0/31", "192.0.2.1/24", "0.0.0.0/0",
					    "fd00::1/127", "::/0" };
	static const char *const bad[] = {
		"",    "10.1.1.0",    "10.1.1/31",   "10.1.1.0/33", "fd00::/129",   "10.1.1.0/",
		"/31", "10.1.1.0/-1", "10.1.1.0/3x", "host/31",	    "10.1.1.256/31"
	};
	struct choppy_err err;
	struct inet a;
	char text[64];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		a = inet(good[i]);
		inet_print(text, sizeof(text), &a, true);
		assert_string_equal(text, good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(inet_parse(&a, bad[i], &err), -EINVAL);
}

static void test_ends_of_a_given_prefix(void **state)
{
	static const struct {
		const char *given, *gateway, *node;
	} rows[] = {
		{ "10.1.1.0/31", "10.1.1.0/31", "10.1.1.1/31" },
		{ "10.1.1.1/31", "10.1.1.0/31", "10.1.1.1/31" },
		{ "10.1.1.0/24", "10.1.1.1/24", "10.1.1.2/24" },
		{ "10.1.1.7/24", "10.1.1.1/24", "10.1.1.7/24" },
		{ "10.1.1.1/24", "10.1.1.2/24", "10.1.1.1/24" },
		{ "10.1.1.0/30", "10.1.1.1/30", "10.1.1.2/30" },
		{ "fd00::/127", "fd00::/127", "fd00::1/127" },
		{ "fd00::5/64", "fd00::1/64", "fd00::5/64" },
	};
	static const char *const bad[] = { "10.1.1.1/32",	  "127.0.0.0/31", "224.0.0.0/31",
					   "fe80::/127",	  "10.1.1.3/30",  "10.9.9.255/24",
					   "::ffff:10.1.1.0/127", "0.0.0.0/31",	  "fd00::/128",
					   "10.0.0.0/7" };
	struct addr_pair p;
	struct choppy_err err;
	char text[64];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(addr_from_text(&p, rows[i].given, &err), 0);
		inet_print(text, sizeof(text), &p.gateway, true);
		assert_string_equal(text, rows[i].gateway);
		inet_print(text, sizeof(text), &p.node, true);
		assert_string_equal(text, rows[i].node);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(addr_from_text(&p, bad[i], &err), -EINVAL);
}

static void test_choice_is_by_name_and_clear_of_what_is_used(void **state)
{
	struct addr_used used = { 0 };
	struct addr_pair first, second, again, six;
	struct inet wide = inet("0.0.0.0/0");

	assert_int_equal(addr_choose4(&first, "blue", &used, NULL), 0);
	assert_int_equal(addr_choose4(&again, "blue", &used, NULL), 0);
	assert_memory_equal(&first, &again, sizeof(first));
	assert_int_equal(first.gateway.len, 31);
	assert_int_equal(ntohl(first.gateway.v4.s_addr) >> 22, 0x0a400000 >> 22);
	assert_int_equal(ntohl(first.node.v4.s_addr), ntohl(first.gateway.v4.s_addr) + 1);

	addr_used_add(&used, &first.gateway);
	assert_int_equal(addr_choose4(&second, "blue", &used, NULL), 0);
	assert_int_equal(ntohl(second.gateway.v4.s_addr), ntohl(first.gateway.v4.s_addr) + 2);
	assert_int_equal(addr_check_free(&first, &used, NULL), -EADDRINUSE);
	assert_int_equal(addr_check_free(&second, &used, NULL), 0);

	assert_int_equal(addr_choose6(&six, "blue", &used, NULL), 0);
	assert_int_equal(six.node.bytes[0], 0xfd);
	assert_int_equal(six.node.len, 127);

	/* A route to everything is in nobody's way, and is never noted; one that is noted counts.
	 */
	addr_used_add(&used, &wide);
	assert_int_equal(addr_choose4(&second, "blue", &used, NULL), -EADDRNOTAVAIL);
	addr_used_free(&used);
}

/* The devices "a" (2) and "b" (3) of a new pair, up. */
static struct nl *pair(void **state)
{
	const struct veth_end a = {
		.name = "a", .ns = -1, .ifindex = 2, .mac = { 2, 0, 0, 0, 0, 1 }
	};
	const struct veth_end b = {
		.name = "b", .ns = -1, .ifindex = 3, .mac = { 2, 0, 0, 0, 0, 2 }
	};
	struct choppy_err err;
	struct nl_msg m;
	struct nl *nl;

	if (geteuid() != 0) {
		print_message("needs root\n");
		skip();
	}
	assert_true(netns_new(&err) >= 0);
	assert_int_equal(nl_open(&nl, NETLINK_ROUTE, &err), 0);
	nl_msg_init(&m);
	link_veth(&m, &a, &b, 1400);
	link_up(&m, 3);
	assert_int_equal(nl_do(nl, &m, &err), 0);
	assert_int_equal(link_wait(nl, "a", &err), 0);
	return nl;
}

static void test_pair_tag_forwarding(void **state)
{
	struct nl *nl = pair(state);
	struct link_info info;
	struct nl_msg m;

	nl_msg_init(&m);
	link_alias(&m, 2, "choppy:x");
	link_no_linklocal(&m, 2);
	link_forwarding(&m, 2, true);
	assert_int_equal(nl_do(nl, &m, NULL), 0);
	assert_int_equal(link_get(nl, "a", &info, NULL), 0);
	assert_int_equal(info.ifindex, 2);
	assert_string_equal(info.alias, "choppy:x");
	assert_true(info.forwarding);
	assert_true(info.active);
	assert_int_equal(link_get(nl, "b", &info, NULL), 0);
	assert_false(info.forwarding); /* of one device, not of all */
	assert_int_equal(link_get(nl, "c", &info, NULL), -ENODEV);
	nl_msg_init(&m);
	link_delete(&m, 2);
	assert_int_equal(nl_do(nl, &m, NULL), 0);
	assert_int_equal(if_nametoindex("b"), 0);
	nl_close(nl);
}

static void test_addresses_neighbours_routes(void **state)
{
	struct nl *nl = pair(state);
	struct inet v4 = inet("10.1.1.1/31"), v6 = inet("fd00::1/127");
	struct inet gw4 = inet("10.1.1.0/31"), gw6 = inet("fd00::/127");
	const uint8_t mac[MAC_LEN] = { 2, 0, 0, 0, 0, 2 };
	struct addr_used used = { 0 };
	struct choppy_err err;
	struct nl_msg m;
	bool seen = false;

	nl_msg_init(&m);
	addr_add(&m, 2, &v4);
	addr_add(&m, 2, &v6);
	neigh_add(&m, 2, &gw4, mac);
	neigh_add(&m, 2, &gw6, mac);
	route_default(&m, 2, &gw4);
	route_unreachable(&m, &(struct inet){ .family = AF_INET6 });
	assert_int_equal(nl_do(nl, &m, &err), 0);
	assert_int_equal(addr_wait(nl, &v6, &err), 0);
	assert_int_equal(addr_used_routes(&used, nl, &err), 0);
	for (size_t i = 0; i < used.n; i++)
		seen |= used.v[i].family == AF_INET && used.v[i].len == 31 &&
			used.v[i].v4.s_addr == gw4.v4.s_addr;
	assert_true(seen);
	for (size_t i = 0; i < used.n; i++)
		assert_true(used.v[i].len > 0); /* default routes are not somebody's network */
	addr_used_free(&used);

	/* The same address again: the label and the kernel's words. */
	nl_msg_init(&m);
	addr_add(&m, 2, &v4);
	assert_int_equal(nl_do(nl, &m, &err), -EEXIST);
	assert_non_null(strstr(err.msg, "add address 10.1.1.1/31"));
	nl_close(nl);
}

static void test_bridge_and_move(void **state)
{
	struct nl *nl = pair(state), *other;
	int here = netns_current(), there;
	struct link_info info;
	struct choppy_err err;
	struct nl_msg m;

	nl_msg_init(&m);
	link_bridge(&m, "br", 9);
	link_master(&m, 2, 9);
	assert_int_equal(nl_do(nl, &m, &err), 0);
	assert_int_equal(access("/proc/self/ns/net", F_OK), 0);
	there = netns_new(&err);
	assert_true(there >= 0);
	assert_int_equal(nl_open(&other, NETLINK_ROUTE, &err), 0);
	assert_int_equal(netns_enter(here, &err), 0);
	nl_msg_init(&m);
	link_move(&m, 3, there, "moved");
	assert_int_equal(nl_do(nl, &m, &err), 0);
	assert_int_equal(link_get(nl, "b", &info, NULL), -ENODEV);
	assert_int_equal(link_get(other, "moved", &info, &err), 0);
	nl_close(other);
	nl_close(nl);
	close(there);
	close(here);
}

static void test_feature_off(void **state)
{
	struct nl *nl = pair(state);
	struct choppy_err err;

	assert_int_equal(link_feature_off("a", "tx-udp-segmentation", &err), 0);
	assert_int_equal(link_feature_off("a", "no-such-feature", &err), 0);
	nl_close(nl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses_are_text_and_back),
		cmocka_unit_test(test_ends_of_a_given_prefix),
		cmocka_unit_test(test_choice_is_by_name_and_clear_of_what_is_used),
		cmocka_unit_test(test_pair_tag_forwarding),
		cmocka_unit_test(test_addresses_neighbours_routes),
		cmocka_unit_test(test_bridge_and_move),
		cmocka_unit_test(test_feature_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
