/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nodes and links by name, their addresses, and the routes between them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rng.h"
#include "routing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct addr_used nobody;

static uint32_t node(struct topology *t, const char *name, enum node_kind kind)
{
	struct choppy_err err = { 0 };
	uint32_t n = 0;

	if (topology_add_node(t, name, kind, &n, &err) < 0)
		fail_msg("%s", err.msg);
	return n;
}

static uint32_t join(struct topology *t, uint32_t a, uint32_t b)
{
	struct choppy_err err = { 0 };
	uint32_t l = 0;

	if (topology_add_link(t, NULL, a, b, &l, &err) < 0)
		fail_msg("%s", err.msg);
	return l;
}

static void refused(int r, int code, const struct choppy_err *err, const char *what)
{
	assert_int_equal(r, code);
	if (!strstr(err->msg, what))
		fail_msg("'%s' does not say '%s'", err->msg, what);
}

/* ------------------------------------------------------------------- names */

static void names_are_of_one_thing(void **state)
{
	struct topology t = { 0 };
	struct choppy_err err = { 0 };
	uint32_t a = node(&t, "alpha", NODE_HOST), b = node(&t, "beta", NODE_HOST), n;

	assert_int_equal(join(&t, a, b), 0);
	assert_string_equal(t.links[0].name, "alpha-beta");
	join(&t, b, a);
	join(&t, a, b);
	assert_string_equal(t.links[1].name, "beta-alpha");
	assert_string_equal(t.links[2].name, "alpha-beta-2");
	assert_int_equal(topology_find_link(&t, "alpha-beta-2", &n, &err), 0);
	assert_int_equal(n, 2);
	refused(topology_add_node(&t, "beta", NODE_HOST, &n, &err), -EEXIST, &err,
		"there is a node 'beta' already");
	refused(topology_add_node(&t, "alpha-beta", NODE_HOST, &n, &err), -EEXIST, &err,
		"there is a link 'alpha-beta' already");
	refused(topology_add_link(&t, "alpha", a, b, &n, &err), -EEXIST, &err, "node 'alpha'");
	refused(topology_find_node(&t, "alpa", &n, &err), -ENOENT, &err, "is it 'alpha'?");
	refused(topology_find_node(&t, "alpha-beta", &n, &err), -ENOENT, &err, "no node");
	refused(topology_find_link(&t, "alpha", &n, &err), -ENOENT, &err,
		"alpha is a node, not a link; its links: alpha-beta, beta-alpha, alpha-beta-2");
	refused(topology_find_link(&t, "alpa", &n, &err), -ENOENT, &err, "no link");
	refused(topology_add_node(&t, "", NODE_HOST, &n, &err), -EINVAL, &err, "1 to 63");
	refused(topology_add_node(&t, "a.b", NODE_HOST, &n, &err), -EINVAL, &err, "use letters");
	refused(topology_add_node(&t, "-a", NODE_HOST, &n, &err), -EINVAL, &err, "use letters");
	refused(topology_add_link(&t, NULL, a, a, &n, &err), -EINVAL, &err, "to itself");
	topology_free(&t);
}

static void every_name_is_found_again(void **state)
{
	struct topology t = { 0 };
	char name[16];
	uint32_t n;

	for (uint32_t i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		assert_int_equal(node(&t, name, NODE_HOST), i);
		if (i)
			join(&t, i - 1, i);
	}
	for (uint32_t i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		assert_int_equal(topology_find_node(&t, name, &n, NULL), 0);
		assert_int_equal(n, i);
	}
	assert_int_equal(topology_find_link(&t, "n41-n42", &n, NULL), 0);
	assert_int_equal(n, 41);
	topology_free(&t);
}

static void a_switch_has_as_many_ports_as_a_bridge(void **state)
{
	struct topology t = { 0 };
	struct choppy_err err = { 0 };
	uint32_t s = node(&t, "s", NODE_SWITCH), n, l;
	char name[16];

	for (uint32_t i = 0; i <= SWITCH_PORTS_MAX; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		n = node(&t, name, NODE_HOST);
		if (i < SWITCH_PORTS_MAX)
			join(&t, s, n);
	}
	refused(topology_add_link(&t, NULL, n, s, &l, &err), -E2BIG, &err, "use two switches");
	topology_free(&t);
}

static int gather(const char *name, void *ctx)
{
	strcat(ctx, " ");
	strcat(ctx, name);
	return 0;
}

static int count(const char *name, void *ctx)
{
	++*(int *)ctx;
	return 0;
}

static void patterns(void **state)
{
	static const struct {
		const char *pattern, *names;
	} good[] = {
		{ "a", " a" },
		{ "w[1-3]", " w1 w2 w3" },
		{ "w[08-11]", " w08 w09 w10 w11" },
		{ "r[1-2]s[1-2]", " r1s1 r1s2 r2s1 r2s2" },
		{ "x[7-7]y", " x7y" },
	};
	static const char *const bad[] = {
		"w[",	 "w[]",	    "w[1]",    "w[1-",	  "w[1-2",   "w[a-b]",
		"w[-2]", "w[1--3]", "w[1-+3]", "w[1- 3]", "w[ 1-3]",
	};
	struct choppy_err err = { 0 };
	char names[256];
	int n = 0;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		names[0] = '\0';
		assert_int_equal(topology_expand(good[i].pattern, gather, names, &err), 0);
		assert_string_equal(names, good[i].names);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		refused(topology_expand(bad[i], count, &n, &err), -EINVAL, &err, "name[1-9]");
	refused(topology_expand("w[3-1]", count, &n, &err), -EINVAL, &err, "backwards");
	assert_int_equal(n, 0);
	refused(topology_expand("w[1-100000]", count, &n, &err), -E2BIG, &err, "at most 16384");
	assert_int_equal(n, NODES_MAX);
}

/* ----------------------------------------------------------------- numbers */

static void number(struct numbering *n, struct topology *t, const struct addr_used *used)
{
	struct choppy_err err = { 0 };

	if (numbering_make(n, t, "lab", used, &err) < 0)
		fail_msg("%s", err.msg);
}

static const char *text(const struct inet *a)
{
	static char buf[64];

	inet_print(buf, sizeof(buf), a, true);
	return buf;
}

static void give(struct topology *t, uint32_t port, const char *addr)
{
	struct inet a;

	assert_int_equal(inet_parse(&a, addr, NULL), 0);
	t->ports[port].given[a.family == AF_INET6] = a;
}

/* a - b, and c, d, e on two switches that are joined */
static void small(struct topology *t)
{
	uint32_t a = node(t, "a", NODE_HOST), b = node(t, "b", NODE_ROUTER);
	uint32_t c = node(t, "c", NODE_HOST), d = node(t, "d", NODE_HOST);
	uint32_t s = node(t, "s", NODE_SWITCH), u = node(t, "u", NODE_SWITCH);

	join(t, a, b); /* ports 0, 1 */
	join(t, b, s); /* 2 */
	join(t, s, u);
	join(t, c, s); /* 6 */
	join(t, u, d); /* 9 */
}

static void a_segment_has_one_network(void **state)
{
	struct topology t = { 0 };
	struct numbering n, again;
	struct addr_used used = { 0 };

	small(&t);
	number(&n, &t, &nobody);
	assert_int_equal(n.nsegments, 2);
	assert_int_equal(t.ports[0].addr[0].len, 31);
	assert_int_equal(t.ports[2].addr[0].len, 29);
	assert_int_equal(t.ports[2].addr[1].len, 125);
	assert_int_equal(t.ports[4].addr[0].family, 0);
	assert_int_equal(t.ports[5].segment, t.ports[9].segment);
	/* The host part is the same in both families, and neither is its network's first. */
	assert_int_equal(t.ports[2].addr[0].bytes[3] & 7, 1);
	assert_memory_equal(t.ports[2].addr[1].bytes + 12, t.ports[2].addr[0].bytes, 4);
	assert_int_equal(t.ports[9].addr[0].bytes[3] & 7, 3);
	/* Somebody has that block: the next one. */
	addr_used_add(&used, &n.pool[0]);
	number(&again, &t, &used);
	assert_false(inet_overlap(&again.pool[0], &n.pool[0]));
	assert_true(inet_overlap(&again.pool[1], &n.pool[1]));
	addr_used_free(&used);
	numbering_free(&n);
	numbering_free(&again);
	topology_free(&t);
}

static void given_addresses_are_kept(void **state)
{
	struct topology t = { 0 };
	struct numbering n;

	small(&t);
	give(&t, 2, "192.168.7.1/24");
	give(&t, 9, "192.168.7.3/24");
	give(&t, 1, "fd00:1::2/64");
	number(&n, &t, &nobody);
	assert_string_equal(text(&t.ports[2].addr[0]), "192.168.7.1/24");
	assert_string_equal(text(&t.ports[6].addr[0]), "192.168.7.2/24");
	assert_string_equal(text(&t.ports[9].addr[0]), "192.168.7.3/24");
	assert_string_equal(text(&t.ports[0].addr[1]), "fd00:1::1/64");
	assert_string_equal(text(&n.segments[0].net[1]), "fd00:1::/64");
	assert_int_equal(t.ports[2].addr[1].len, 125);
	numbering_free(&n);
	topology_free(&t);
}

static void addresses_that_clash(void **state)
{
	static const struct {
		const char *addr[3]; /* of b on s, d on u, a */
		int code;
		const char *what;
	} bad[] = {
		{ { "192.168.7.1/24", "192.168.8.1/24" },
		  -EINVAL,
		  "joined to the network 192.168.7" },
		{ { "192.168.7.1/24", "192.168.7.1/24" },
		  -EADDRINUSE,
		  "d has the IPv4 address of b" },
		{ { "192.168.7.1/24", NULL, "192.168.0.1/16" },
		  -EADDRINUSE,
		  "join them by a switch" },
		{ { "192.168.7.1/31" }, -EADDRNOTAVAIL, "no address left for d" },
		{ { "192.168.7.3/30" }, -EINVAL, "no host's" },
		{ { "192.168.7.0/30" }, -EINVAL, "no host's" },
		{ { "224.0.0.1/24" }, -EINVAL, "no host's" },
		{ { "10.0.0.1/32" }, -EINVAL, "no host's" },
	};
	static const uint32_t port[] = { 2, 9, 0 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct topology t = { 0 };
		struct choppy_err err = { 0 };
		struct numbering n;

		small(&t);
		for (int k = 0; k < 3; k++)
			if (bad[i].addr[k])
				give(&t, port[k], bad[i].addr[k]);
		refused(numbering_make(&n, &t, "lab", &nobody, &err), bad[i].code, &err,
			bad[i].what);
		topology_free(&t);
	}
}

/* ------------------------------------------------------------------ routes */

/* The route of @from that holds for @to: its port, NO_PORT when the kernel knows none. */
static uint32_t look_up(const struct topology *t, uint32_t from, const struct inet *to,
			const struct route *routes, int n, struct inet *via)
{
	uint32_t best = NO_PORT;
	int len = -1;

	for (uint32_t p = t->nodes[from].first_port; p != NO_PORT; p = t->ports[p].next) {
		const struct inet *a = &t->ports[p].addr[to->family == AF_INET6];

		if (inet_overlap(a, to) && a->len > len) {
			len = a->len;
			best = p;
			*via = *to;
		}
	}
	for (int i = 0; i < n; i++) {
		if (inet_overlap(&routes[i].dst, to) && routes[i].dst.len > len) {
			len = routes[i].dst.len;
			best = routes[i].port;
			*via = routes[i].via;
		}
	}
	return best;
}

static uint32_t owner(const struct topology *t, uint32_t segment, const struct inet *a)
{
	for (uint32_t p = 0; p < 2 * t->nlinks; p++) {
		const struct inet *b = &t->ports[p].addr[a->family == AF_INET6];

		if (t->ports[p].segment == segment && b->family == a->family &&
		    memcmp(b->bytes, a->bytes, inet_size(a)) == 0)
			return t->ports[p].node;
	}
	return NO_NODE;
}

static bool has(const struct topology *t, uint32_t node, const struct inet *a)
{
	for (uint32_t p = t->nodes[node].first_port; p != NO_PORT; p = t->ports[p].next) {
		const struct inet *b = &t->ports[p].addr[a->family == AF_INET6];

		if (b->family == a->family && memcmp(b->bytes, a->bytes, inet_size(a)) == 0)
			return true;
	}
	return false;
}

#define HOPS_MAX 40

/* By the routes that all nodes have, hop by hop: how many links, -1 when it does not arrive. */
static int walk(const struct topology *t, struct routing *r, uint32_t from, const struct inet *to)
{
	uint32_t at = from;

	for (int hops = 0; hops < HOPS_MAX; hops++) {
		const struct route *routes;
		struct inet alone = *to, via;
		int n = routing_of(r, at, &routes);
		uint32_t port;

		assert_true(n >= 0);
		if (has(t, at, to))
			return hops;
		if (at != from && t->nodes[at].kind != NODE_ROUTER)
			return -1;
		alone.len = (uint8_t)(inet_size(to) * 8);
		port = look_up(t, at, &alone, routes, n, &via);
		if (port == NO_PORT)
			return -1;
		at = owner(t, t->ports[port].segment, &via);
		if (at == NO_NODE)
			return -1;
	}
	return -1;
}

/* Every address that can be reached is, and as the shortest way says. */
static void check_all(const struct topology *t, struct routing *r)
{
	for (uint32_t from = 0; from < t->nnodes; from++) {
		const struct route *routes;

		if (t->nodes[from].kind == NODE_SWITCH)
			continue;
		for (uint32_t p = 0; p < 2 * t->nlinks; p++) {
			for (int f = 0; f < 2 && t->ports[p].addr[f].family; f++) {
				int hops = walk(t, r, from, &t->ports[p].addr[f]);
				uint32_t want;

				assert_true(routing_of(r, from, &routes) >= 0);
				want = routing_distance(r, t->ports[p].node);
				if (want == UINT32_MAX)
					assert_true(hops < 0);
				else if ((uint32_t)hops != want &&
					 (uint32_t)hops != want + 1) /* see below */
					fail_msg("%s to %s of %s: %d hops, not %u",
						 t->nodes[from].name, text(&t->ports[p].addr[f]),
						 t->nodes[t->ports[p].node].name, hops, want);
			}
		}
	}
}

/*
 * Random labs. The way to an address of a node that is next to somebody leads over the network of
 * that address, where the node has two: one link more than to the node itself.
 */
static void every_address_is_reached_on_the_shortest_way(void **state)
{
	struct rng rng;
	struct rng_key key = { .seed = 1, .purpose = "labs" };

	rng_init(&rng, &key);
	for (int round = 0; round < 60; round++) {
		struct topology t = { 0 };
		struct numbering n;
		struct routing *r;
		uint32_t nodes = 3 + (uint32_t)(rng_next(&rng) % 12);
		uint32_t links = nodes + (uint32_t)(rng_next(&rng) % nodes);
		char name[16];

		for (uint32_t i = 0; i < nodes; i++) {
			static const enum node_kind kinds[] = { NODE_HOST, NODE_ROUTER, NODE_ROUTER,
								NODE_SWITCH };

			snprintf(name, sizeof(name), "n%u", i);
			node(&t, name, kinds[rng_next(&rng) % 4]);
		}
		for (uint32_t i = 0; i < links; i++) {
			uint32_t a = (uint32_t)(rng_next(&rng) % nodes);
			uint32_t b = (uint32_t)(rng_next(&rng) % nodes);

			if (a != b)
				join(&t, a, b);
		}
		number(&n, &t, &nobody);
		r = routing_open(&t, &n, NO_NODE);
		assert_non_null(r);
		check_all(&t, r);
		routing_close(r);
		numbering_free(&n);
		topology_free(&t);
	}
}

/* Networks that are given do not lie in the order of the links, as the others do. */
static void given_networks_are_routed_too(void **state)
{
	struct topology t = { 0 };
	struct numbering n;
	struct routing *r;
	char name[16];

	for (uint32_t i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "r%u", i);
		node(&t, name, NODE_ROUTER);
		if (i)
			join(&t, i - 1, i);
	}
	give(&t, 0, "192.168.7.1/30");
	give(&t, 4, "9.0.0.1/30");
	give(&t, 6, "fd00:1::1/64");
	number(&n, &t, &nobody);
	r = routing_open(&t, &n, NO_NODE);
	check_all(&t, r);
	routing_close(r);
	numbering_free(&n);
	topology_free(&t);
}

/* Hosts at both ends of a chain of 1000 routers, and a way out at its first. */
static void a_chain_needs_few_routes(void **state)
{
	enum { ROUTERS = 1000 };
	struct topology t = { 0 };
	struct numbering n;
	struct routing *r;
	const struct route *routes;
	uint32_t a = node(&t, "a", NODE_HOST), before = a, b;
	char name[16];
	int most = 0;

	for (int i = 0; i < ROUTERS; i++) {
		uint32_t me;

		snprintf(name, sizeof(name), "r%d", i);
		me = node(&t, name, NODE_ROUTER);
		join(&t, before, me);
		before = me;
	}
	b = node(&t, "b", NODE_HOST);
	join(&t, before, b);
	number(&n, &t, &nobody);
	r = routing_open(&t, &n, NO_NODE);
	for (uint32_t i = 0; i < t.nnodes; i++) {
		int k = routing_of(r, i, &routes);

		most = k > most ? k : most;
	}
	assert_in_range(most, 2, 2 * 2 * 10);
	assert_int_equal(routing_of(r, a, &routes), 2);
	assert_int_equal(routes[0].dst.len, 0);
	assert_int_equal(routing_distance(r, b), ROUTERS + 1);
	routing_close(r);
	r = routing_open(&t, &n, 1);
	assert_int_equal(routing_of(r, b, &routes), 2);
	assert_int_equal(routes[1].dst.family, AF_INET6);
	/* The one with the way out leaves the default to it. */
	assert_true(routing_of(r, 1, &routes) > 0);
	assert_int_not_equal(routes[0].dst.len, 0);
	routing_close(r);
	numbering_free(&n);
	topology_free(&t);
}

/* a and b are joined, and each to c, which passes nothing on: every name's address is one link
 * away. */
static void hosts_in_a_triangle(void **state)
{
	struct topology t = { 0 };
	struct numbering n;
	struct routing *r;
	uint32_t h[3];
	char name[2] = "a";

	for (int i = 0; i < 3; i++, name[0]++)
		h[i] = node(&t, name, NODE_HOST);
	join(&t, h[0], h[1]);
	join(&t, h[1], h[2]);
	join(&t, h[2], h[0]);
	number(&n, &t, &nobody);
	r = routing_open(&t, &n, NO_NODE);
	/* b's address on the link to c: by the link to b. */
	assert_int_equal(walk(&t, r, h[0], &t.ports[2].addr[0]), 1);
	assert_int_equal(walk(&t, r, h[0], &t.ports[3].addr[1]), 1);
	routing_close(r);
	numbering_free(&n);
	topology_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_of_one_thing),
		cmocka_unit_test(every_name_is_found_again),
		cmocka_unit_test(a_switch_has_as_many_ports_as_a_bridge),
		cmocka_unit_test(patterns),
		cmocka_unit_test(a_segment_has_one_network),
		cmocka_unit_test(given_addresses_are_kept),
		cmocka_unit_test(addresses_that_clash),
		cmocka_unit_test(every_address_is_reached_on_the_shortest_way),
		cmocka_unit_test(given_networks_are_routed_too),
		cmocka_unit_test(a_chain_needs_few_routes),
		cmocka_unit_test(hosts_in_a_triangle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
