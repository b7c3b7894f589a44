/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is wrong with a lab at the moment: the list of it, what it makes of a link's condition, and
 * cuts, whose programs are run over packets between all nodes of random labs and held against the
 * sentence that says who is cut off from whom.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cut.h"
#include "fault.h"
#include "fields.h"
#include "numbering.h"
#include "plan.h"
#include "port_mem.h"
#include "util.h"
#include "value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define NONE UINT32_MAX

/* ------------------------------------------------------------------ set-up */

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

static void number(struct topology *t)
{
	static const struct addr_used nobody;
	struct choppy_err err = { 0 };
	struct numbering n;

	if (numbering_make(&n, t, "lab", &nobody, &err) < 0)
		fail_msg("%s", err.msg);
	numbering_free(&n);
}

static void give(struct topology *t, uint32_t port, const char *addr)
{
	struct inet a;

	assert_int_equal(inet_parse(&a, addr, NULL), 0);
	t->ports[port].given[a.family == AF_INET6] = a;
}

static uint32_t draw(struct rng *rng, uint32_t n)
{
	return (uint32_t)rng_below(rng, n);
}

static struct rng seeded(uint64_t seed)
{
	const struct rng_key key = { .seed = seed, .purpose = "faults" };
	struct rng rng;

	rng_init(&rng, &key);
	return rng;
}

static void parse(struct action *ret, const struct topology *t, const char *line)
{
	struct choppy_err err = { 0 };
	const char *words[512];
	char buf[4096];
	int n;

	assert_true(strlen(line) < sizeof(buf));
	n = choppy_words_split(buf, words, line);
	if (action_parse(ret, t, n, words, &err) < 0)
		fail_msg("%s: %s", line, err.msg);
}

/* What an action brings about, as act.c puts it into the list. Its number. */
static uint64_t add(struct faults *all, const struct topology *t, const char *line, struct rng *rng)
{
	struct action a;
	struct fault f;
	uint64_t id;

	parse(&a, t, line);
	f = (struct fault){ .verb = a.verb, .uplink = a.uplink };
	if (a.verb == VERB_CUT || a.verb == VERB_PARTITION) {
		assert_int_equal(action_cuts(&a, rng, &f.cuts, &f.ncuts), 0);
	} else if (a.verb == VERB_PAUSE || a.verb == VERB_KILL) {
		assert_int_equal(action_nodes(&a, rng, &f.nodes), 0);
	} else {
		f.ways = a.ways;
		f.nways = a.nways;
		f.change = a.change;
		a.ways = NULL;
		a.change = NULL;
	}
	action_free(&a);
	id = faults_add(all, &f);
	assert_true(id);
	return id;
}

/* -------------------------------------------------------------------- list */

static void test_the_list_keeps_its_order(void **state)
{
	struct rng rng = seeded(1);

	for (int round = 0; round < 200; round++) {
		struct faults all = { 0 };
		uint64_t model[64], next = 1;
		uint32_t n = 0, k;

		for (int step = 0; step < 60; step++) {
			const struct fault *f = all.first;

			if (n == 0 || draw(&rng, 5) < 3) {
				const struct fault new = { .verb = VERB_LINK, .nways = 0 };

				assert_int_equal(faults_add(&all, &new), next);
				model[n++] = next++;
			} else {
				struct fault *taken;

				k = draw(&rng, n);
				taken = faults_take(&all, model[k]);
				assert_non_null(taken);
				assert_int_equal(taken->id, model[k]);
				assert_null(taken->next);
				assert_null(faults_take(&all, model[k]));
				assert_null(faults_find(&all, model[k]));
				fault_free(taken);
				memmove(&model[k], &model[k + 1], (--n - k) * sizeof(*model));
			}
			f = all.first;
			for (k = 0; k < n; k++, f = f->next) {
				assert_int_equal(f->id, model[k]);
				assert_ptr_equal(faults_find(&all, model[k]), f);
			}
			assert_null(f);
		}
		faults_free(&all);
		assert_null(all.first);
	}
	fault_free(NULL);
}

/* a - b, twice; b - r; c alone */
static void small(struct topology *t)
{
	uint32_t a = node(t, "a", NODE_HOST), b = node(t, "b", NODE_HOST);
	uint32_t r = node(t, "r", NODE_ROUTER);

	node(t, "c", NODE_HOST);
	join(t, a, b);
	join(t, b, a);
	join(t, b, r);
}

static void test_what_is_off_and_who_stands_still(void **state)
{
	struct rng rng = seeded(1);
	struct topology t = { 0 };
	struct faults all = { 0 };
	uint64_t off, pause;

	small(&t);
	assert_false(faults_link_off(&all, 0) || faults_uplink_off(&all));
	off = add(&all, &t, "link b-a off", &rng);
	add(&all, &t, "set a-b loss 1%", &rng);
	pause = add(&all, &t, "pause a b", &rng);
	add(&all, &t, "pause b c", &rng);
	add(&all, &t, "kill b", &rng);
	assert_true(faults_link_off(&all, 1));
	assert_false(faults_link_off(&all, 0) || faults_link_off(&all, 2));
	assert_false(faults_uplink_off(&all));
	add(&all, &t, "link uplink off", &rng);
	assert_true(faults_uplink_off(&all));
	assert_int_equal(faults_node(&all, VERB_PAUSE, 0), 1);
	assert_int_equal(faults_node(&all, VERB_PAUSE, 1), 2);
	assert_int_equal(faults_node(&all, VERB_KILL, 1), 1);
	assert_int_equal(faults_node(&all, VERB_KILL, 0), 0);
	fault_free(faults_take(&all, pause));
	fault_free(faults_take(&all, off));
	assert_int_equal(faults_node(&all, VERB_PAUSE, 1), 1);
	assert_int_equal(faults_node(&all, VERB_PAUSE, 0), 0);
	assert_false(faults_link_off(&all, 1));
	faults_free(&all);
	topology_free(&t);
}

/* -------------------------------------------------------------- conditions */

static void parse_change(struct choppy_change *ret, const char *text)
{
	struct choppy_err err = { 0 };
	const char *words[256];
	char buf[1024];

	if (choppy_change_parse(ret, choppy_words_split(buf, words, text), words, true, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
}

static void test_a_change_is_turned(void **state)
{
	static const struct {
		const char *change;
		uint8_t dirs;
		bool turned;
		const char *is;
	} rows[] = {
		{ "loss 1%", 3, false, "up loss 1% down loss 1%" },
		{ "loss 1%", 3, true, "up loss 1% down loss 1%" },
		{ "loss 1%", 1, false, "up loss 1%" },
		{ "loss 1%", 2, false, "down loss 1%" },
		{ "up loss 1%", 3, false, "up loss 1%" },
		{ "up loss 1%", 3, true, "down loss 1%" },
		{ "up loss 1% delay off down clear rate 1mbit match off", 3, true,
		  "up clear rate 1mbit match off down delay off loss 1%" },
		{ "up clear down loss off", 1, true, "up loss off" },
		{ "up clear down loss off", 2, true, "down clear" },
		{ "match tcp loss 1%", 3, true, "up match tcp loss 1% down match tcp loss 1%" },
		{ "up match tcp loss 1%", 3, true, "down match tcp loss 1%" },
		{ "up match tcp loss 1% down match udp off", 3, true,
		  "up match udp off down match tcp loss 1%" },
		{ "match tcp loss 1% match udp loss 2%", 2, false,
		  "down match tcp loss 1% match udp loss 2%" },
		{ "up match tcp loss 1% match udp loss 2% down match udp loss 3%", 1, false,
		  "up match tcp loss 1% match udp loss 2%" },
		{ "up match tcp loss 1%", 2, false, "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct way way = { .dirs = rows[i].dirs, .turned = rows[i].turned };
		struct choppy_change *from = calloc(1, sizeof(*from)), *to = malloc(sizeof(*to));
		char text[1024];

		parse_change(from, rows[i].change);
		way_change(&way, from, to);
		choppy_change_print(text, sizeof(text), to);
		if (strcmp(text, rows[i].is) != 0)
			fail_msg("%s by %u%s: %s", rows[i].change, rows[i].dirs,
				 rows[i].turned ? " turned" : "", text);
		for (uint32_t k = 0; k < to->rules.n; k++)
			assert_true(to->rules.rule[k].dirs & CHOPPY_BOTH);
		free(from);
		free(to);
	}
}

/* What holds of a link under the faults there are. */
static void holds(const struct faults *all, uint32_t link, const char *up, const char *down)
{
	struct link_condition *c = calloc(1, sizeof(*c));
	struct choppy_err err = { 0 };
	struct choppy_change base;
	char text[CHOPPY_CONDITION_TEXT_MAX];

	parse_change(&base, "delay 5ms match icmp loss 10%");
	memcpy(c->dir, base.dir, sizeof(c->dir));
	c->rules = base.rules;
	if (faults_lay(all, link, c, &err) < 0)
		fail_msg("%s", err.msg);
	for (int d = 0; d < CHOPPY_NDIRS; d++) {
		int n = choppy_condition_print(text, sizeof(text), &c->dir[d]);

		snprintf(text + n, sizeof(text) - (size_t)n, " | ");
		choppy_rules_print(text + n + 3, sizeof(text) - (size_t)n - 3, &c->rules, d);
		assert_string_equal(text, d ? down : up);
	}
	free(c);
}

static void test_conditions_lie_over_each_other(void **state)
{
	struct rng rng = seeded(1);
	struct topology t = { 0 };
	struct faults all = { 0 };
	uint64_t first, second;

	small(&t);
	holds(&all, 0, "delay 5ms | match icmp loss 10%", "delay 5ms | match icmp loss 10%");
	first = add(&all, &t, "set a-b loss 1% delay off match tcp loss 50%", &rng);
	second = add(&all, &t, "set b up loss 3% match icmp off", &rng);
	/* b is the second end of a-b, the first of b-a and b-r. */
	holds(&all, 0, "loss 1% | match icmp loss 10% match tcp loss 50%",
	      "loss 3% | match tcp loss 50%");
	holds(&all, 1, "delay 5ms loss 3% | ", "delay 5ms | match icmp loss 10%");
	holds(&all, 2, "delay 5ms loss 3% | ", "delay 5ms | match icmp loss 10%");
	add(&all, &t, "ramp a>b loss 7% to 9% over 1s", &rng);
	holds(&all, 0, "loss 7% | match icmp loss 10% match tcp loss 50%",
	      "loss 3% | match tcp loss 50%");
	holds(&all, 1, "delay 5ms loss 3% | ", "delay 5ms loss 7% | match icmp loss 10%");
	fault_free(faults_take(&all, second));
	holds(&all, 0, "loss 7% | match icmp loss 10% match tcp loss 50%",
	      "loss 1% | match icmp loss 10% match tcp loss 50%");
	add(&all, &t, "set a-b clear", &rng);
	holds(&all, 0, " | ", " | ");
	fault_free(faults_take(&all, first));
	holds(&all, 2, "delay 5ms | match icmp loss 10%", "delay 5ms | match icmp loss 10%");
	faults_free(&all);
	topology_free(&t);
}

static void test_what_cannot_be_laid_is_told(void **state)
{
	struct link_condition *c = calloc(1, sizeof(*c));
	struct rng rng = seeded(1);
	struct topology t = { 0 };
	struct faults all = { 0 };
	struct choppy_err err = { 0 };
	uint64_t id;
	char line[128];

	small(&t);
	id = add(&all, &t, "set a-b match tcp off", &rng);
	assert_int_equal(faults_lay(&all, 0, c, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "there is no rule match tcp to remove"));
	assert_int_equal(faults_lay(&all, 2, c, &err), 0);
	fault_free(faults_take(&all, id));
	for (int i = 0; i <= CHOPPY_RULES_MAX; i++) {
		memset(c, 0, sizeof(*c));
		assert_int_equal(faults_lay(&all, 0, c, &err), 0);
		snprintf(line, sizeof(line), "set a-b match 'tcp port %d' loss 1%%", i + 1);
		add(&all, &t, line, &rng);
	}
	memset(c, 0, sizeof(*c));
	assert_int_equal(faults_lay(&all, 0, c, &err), -E2BIG);
	assert_non_null(strstr(err.msg, "at most 16 rules"));
	faults_free(&all);
	topology_free(&t);
	free(c);
}

/* ----------------------------------------------------------------- packets */

enum what {
	UDP,
	TCP_SYN,
	TCP_DATA,
	TCP_RESET,
	TCP_RESET_ACK,
	ECHO,
	TIME_EXCEEDED,
	UNREACHABLE,
	DISCOVERY, /* IPv6 only, as the next two */
	BEFORE_DISCOVERY,
	BEHIND_DISCOVERY,
	FRAGMENT_UDP, /* a later one */
	FRAGMENT_UNREACHABLE, /* likewise; it has no ICMP header */
	FRAGMENT_RESET,
	FIRST_UNREACHABLE,
	FIRST_RESET,
	OTHER, /* SCTP */
	NWHATS,
};

enum cast { UNICAST, MULTICAST, BROADCAST, NCASTS };

struct spec {
	enum what what;
	enum cast cast; /* of the Ethernet frame */
	bool v6, options, vlan;
	struct inet from, to;
	uint32_t sender; /* the node whose address @from is, or NONE */
	uint32_t receiver;
	uint32_t random;
};

static uint8_t protocol_of(const struct spec *s)
{
	switch (s->what) {
	case UDP:
	case FRAGMENT_UDP:
		return IPPROTO_UDP;
	case TCP_SYN:
	case TCP_DATA:
	case TCP_RESET:
	case TCP_RESET_ACK:
	case FRAGMENT_RESET:
	case FIRST_RESET:
		return IPPROTO_TCP;
	case OTHER:
		return IPPROTO_SCTP;
	default:
		return s->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	}
}

static bool is_later(const struct spec *s)
{
	return s->what == FRAGMENT_UDP || s->what == FRAGMENT_UNREACHABLE ||
	       s->what == FRAGMENT_RESET;
}

static void put_l4(unsigned char *p, const struct spec *s)
{
	static const unsigned char flags[NWHATS] = {
		[TCP_SYN] = 0x02,	[TCP_DATA] = 0x1b,    [TCP_RESET] = 0x04,
		[TCP_RESET_ACK] = 0x14, [FIRST_RESET] = 0x04,
	};
	static const unsigned char type4[NWHATS] = { [ECHO] = 8,
						     [TIME_EXCEEDED] = 11,
						     [UNREACHABLE] = 3,
						     [FIRST_UNREACHABLE] = 3,
						     [DISCOVERY] = 9,
						     [BEFORE_DISCOVERY] = 4,
						     [BEHIND_DISCOVERY] = 2 };
	const unsigned char type6[NWHATS] = { [ECHO] = 128,
					      [TIME_EXCEEDED] = 3,
					      [UNREACHABLE] = 1,
					      [FIRST_UNREACHABLE] = 1,
					      [DISCOVERY] = (unsigned char)(133 + s->random % 5),
					      [BEFORE_DISCOVERY] = 132,
					      [BEHIND_DISCOVERY] = 138 };
	uint8_t protocol = protocol_of(s);

	/* A later fragment looks as an answer would, where it counts. */
	memset(p, is_later(s) ? 3 : 0, 40);
	if (is_later(s))
		p[13] = 4;
	else if (protocol == IPPROTO_TCP)
		p[13] = flags[s->what];
	else if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6)
		p[0] = s->v6 ? type6[s->what] : type4[s->what];
}

/* The length. */
static uint32_t put_frame(unsigned char *p, const struct spec *s)
{
	static const char *const dst[NCASTS] = { "\x02\0\0\0\0\1", "\x33\x33\0\0\0\1",
						 "\xff\xff\xff\xff\xff\xff" };
	const bool first = s->what == FIRST_RESET || s->what == FIRST_UNREACHABLE;
	unsigned char *ip = p + (s->vlan ? 18 : 14), *l4;

	memset(p, 0, 200);
	memcpy(p, dst[s->cast], 6);
	p[6] = 2;
	if (s->vlan)
		memcpy(p + 12, "\x81\0\0\5", 4);
	memcpy(ip - 2, s->v6 ? "\x86\xdd" : "\x08\0", 2);
	if (s->v6) {
		ip[0] = 0x60;
		ip[6] = protocol_of(s);
		ip[7] = 64;
		memcpy(ip + 8, s->from.bytes, 16);
		memcpy(ip + 24, s->to.bytes, 16);
		l4 = ip + 40;
		if (s->options || first || is_later(s)) {
			l4[0] = protocol_of(s);
			ip[6] = s->options ? IPPROTO_HOPOPTS : IPPROTO_FRAGMENT;
			l4[3] = is_later(s) ? 8 : 1; /* of a fragment header: offset, or more */
			l4 += 8;
		}
	} else {
		ip[0] = s->options ? 0x48 : 0x45;
		ip[6] = first ? 0x20 : 0;
		ip[7] = is_later(s) ? 5 : 0;
		ip[8] = 64;
		ip[9] = protocol_of(s);
		memcpy(ip + 12, s->from.bytes, 4);
		memcpy(ip + 16, s->to.bytes, 4);
		l4 = ip + (s->options ? 32 : 20);
	}
	put_l4(l4, s);
	ip[s->v6 ? 5 : 3] = (unsigned char)(l4 + 40 - ip - (s->v6 ? 40 : 0));
	return (uint32_t)(l4 + 40 - p);
}

/* Whether it is an answer to who was cut off, which passes. Only headers at their usual place. */
static bool is_answer(const struct spec *s)
{
	bool plain = !s->v6 || !s->options;

	switch (s->what) {
	case UNREACHABLE:
	case TCP_RESET:
	case TCP_RESET_ACK:
		return plain;
	case FIRST_UNREACHABLE:
	case FIRST_RESET:
		return !s->v6;
	default:
		return false;
	}
}

static bool contains(const struct node_list *l, uint32_t n)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (l->v[i] == n)
			return true;
	return false;
}

/* The sentence: whether @node is not to hear packet @s, with the answer @reject. */
static bool is_cut(const struct faults *all, uint32_t n, const struct spec *s, int reject)
{
	bool deaf = false;

	if (s->vlan || s->sender == NONE || s->sender == n)
		return false;
	for (const struct fault *f = all->first; f; f = f->next)
		for (uint32_t i = 0; i < f->ncuts; i++)
			deaf |= f->cuts[i].reject == reject && contains(&f->cuts[i].to, n) &&
				contains(&f->cuts[i].from, s->sender);
	if (!deaf || (s->cast == UNICAST && s->receiver != n))
		return false;
	if (s->v6 && s->what == DISCOVERY && !s->options)
		return false;
	return reject < 0 || !is_answer(s);
}

/* -------------------------------------------------------------------- cuts */

/* A link's programs, as the engine takes them. */
struct programs {
	struct compile_cut cut[LINK_CUTS_MAX];
	struct match *match[LINK_CUTS_MAX];
	uint32_t n;
};

static void programs_of(struct programs *p, const struct faults *all, const struct topology *t,
			uint32_t link)
{
	static const struct choppy_rule rule = { .match = "x" };
	struct choppy_err err = { 0 };

	memset(p, 0, sizeof(*p));
	if (faults_cuts(all, t, link, p->cut, &p->n, &err) < 0)
		fail_msg("%s", err.msg);
	for (uint32_t i = 0; i < p->n; i++) {
		int r;

		assert_true(match_program_sound(p->cut[i].insns, p->cut[i].ninsns));
		p->match[i] = match_new(&rule, p->cut[i].insns, p->cut[i].ninsns, &r);
		assert_non_null(p->match[i]);
	}
}

static void programs_free(struct programs *p)
{
	for (uint32_t i = 0; i < p->n; i++) {
		match_free(p->match[i]);
		free(p->cut[i].insns);
	}
}

/* A frame for match_frame() and nothing else. */
union packet {
	struct frame f;
	unsigned char bytes[sizeof(struct frame) + 256];
};

static void make_packet(union packet *p, const struct spec *s)
{
	memset(&p->f, 0, sizeof(p->f));
	p->f.len = put_frame(p->f.room, s);
	frame_parse(&p->f);
	assert_int_equal(p->f.units, 1);
}

static bool stops(const struct programs *p, int dir, int reject, const union packet *packet)
{
	bool yes = false;

	for (uint32_t i = 0; i < p->n; i++)
		if ((int)p->cut[i].dir == dir && p->cut[i].reject == reject)
			yes |= match_frame(p->match[i], &packet->f);
	return yes;
}

static const char *shown(const struct inet *a)
{
	static char buf[2][64];
	static int i;

	i = !i;
	inet_print(buf[i], sizeof(buf[i]), a, false);
	return buf[i];
}

/* Packet @s on @link, towards both of its ends, with every answer. */
static void check_packet(const struct programs *p, const struct faults *all,
			 const struct topology *t, uint32_t link, const struct spec *s)
{
	union packet packet;

	make_packet(&packet, s);
	for (int side = 0; side < 2; side++) {
		uint32_t n = t->ports[2 * link + (uint32_t)side].node;
		bool hears = t->nodes[n].kind != NODE_SWITCH;

		for (int reject = -1; reject < CHOPPY_NREJECTS; reject++) {
			bool want = hears && is_cut(all, n, s, reject);

			if (stops(p, side ? CHOPPY_UP : CHOPPY_DOWN, reject, &packet) == want)
				continue;
			fail_msg("%s, towards %s, answer %d: packet %d (cast %d%s%s) from %s to "
				 "%s %s",
				 t->links[link].name, t->nodes[n].name, reject, s->what, s->cast,
				 s->options ? ", options" : "", s->vlan ? ", VLAN" : "",
				 shown(&s->from), shown(&s->to), want ? "passes" : "does not pass");
		}
	}
}

/* The address of port @p, or, behind the last, one of nobody. */
static uint32_t address(const struct topology *t, uint32_t p, bool v6, struct rng *rng,
			struct inet *ret)
{
	uint32_t other = draw(rng, 2 * t->nlinks);

	if (p < 2 * t->nlinks) {
		*ret = t->ports[p].addr[v6];
		return ret->family ? t->ports[p].node : NONE;
	}
	/* Near one of the lab's, or anywhere. */
	*ret = t->ports[other].addr[v6];
	if (!ret->family || draw(rng, 2))
		inet_parse(ret, v6 ? "2001:db8::1/128" : "192.0.2.1/32", NULL);
	ret->bytes[draw(rng, v6 ? 16 : 4)] ^= (uint8_t)(1 + draw(rng, 255));
	for (uint32_t i = 0; i < 2 * t->nlinks; i++)
		if (memcmp(t->ports[i].addr[v6].bytes, ret->bytes, inet_size(ret)) == 0 &&
		    t->ports[i].addr[v6].family)
			return t->ports[i].node;
	return NONE;
}

static void check_link(const struct faults *all, const struct topology *t, uint32_t link,
		       struct rng *rng)
{
	struct programs p;

	programs_of(&p, all, t, link);
	for (uint32_t from = 0; from <= 2 * t->nlinks; from++) {
		for (uint32_t to = 0; to <= 2 * t->nlinks; to++) {
			struct spec s = { .random = draw(rng, 1u << 30) };

			s.v6 = draw(rng, 2);
			s.what = (enum what)draw(rng, NWHATS);
			s.cast = draw(rng, 4) ? UNICAST : (enum cast)draw(rng, NCASTS);
			s.options = !draw(rng, 6);
			s.vlan = !draw(rng, 30);
			s.sender = address(t, from, s.v6, rng, &s.from);
			s.receiver = address(t, to, s.v6, rng, &s.to);
			if (s.from.family && s.to.family)
				check_packet(&p, all, t, link, &s);
		}
	}
	programs_free(&p);
}

/* No other packet is one of IP between nodes. */
static void check_arp(const struct faults *all, const struct topology *t, uint32_t link)
{
	static const unsigned char head[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0,
					      0,    1,	  8,	6,    0,    1,	  8, 0, 6, 4 };
	struct programs p;

	programs_of(&p, all, t, link);
	for (uint32_t from = 0; from < 2 * t->nlinks; from++) {
		union packet packet = { 0 };

		memcpy(packet.f.room, head, sizeof(head));
		memcpy(packet.f.room + 26, t->ports[from].addr[0].bytes, 4);
		packet.f.len = 60;
		frame_parse(&packet.f);
		for (int d = 0; d < CHOPPY_NDIRS; d++)
			for (int reject = -1; reject < CHOPPY_NREJECTS; reject++)
				assert_false(stops(&p, d, reject, &packet));
	}
	programs_free(&p);
}

/* Names of some nodes that have addresses, with spaces between. */
static void some_nodes(struct text *s, const struct topology *t, struct rng *rng)
{
	uint32_t n = 0, most = 1 + draw(rng, 4);

	text_add(s, "'");
	for (int tries = 0; n < most && (tries < 40 || !n); tries++) {
		uint32_t i = draw(rng, t->nnodes);

		if (t->nodes[i].kind == NODE_SWITCH)
			continue;
		text_add(s, "%s%s", n++ ? " " : "", t->nodes[i].name);
	}
	text_add(s, "'");
}

static void add_random_cut(struct faults *all, const struct topology *t, struct rng *rng)
{
	static const char *const shapes[] = { "halves", "isolate", "bridge", "ring" };
	static const char *const answers[] = {
		"", "", " reject", " reject unreachable", " reject prohibited", " reject reset"
	};
	char line[512];
	struct text s = text_begin(line, sizeof(line));

	if (draw(rng, 3)) {
		text_add(&s, "cut ");
		some_nodes(&s, t, rng);
		text_add(&s, draw(rng, 2) ? " to " : " ");
		/* Never one node from itself. */
		text_add(&s, "'");
		for (uint32_t i = draw(rng, 3); i < t->nnodes; i += 1 + draw(rng, 4))
			if (t->nodes[i].kind != NODE_SWITCH)
				text_add(&s, "%s ", t->nodes[i].name);
		text_add(&s, "n0 n1'");
	} else {
		text_add(&s, "partition %s", shapes[draw(rng, ARRAY_SIZE(shapes))]);
	}
	text_add(&s, "%s", answers[draw(rng, ARRAY_SIZE(answers))]);
	assert_true(s.len < sizeof(line));
	add(all, t, line, rng);
}

/* Four hosts are the least that every shape takes; a link goes anywhere. */
static void make_random(struct topology *t, struct rng *rng)
{
	static const enum node_kind kinds[] = { NODE_HOST, NODE_ROUTER, NODE_SWITCH };
	uint32_t nodes = 5 + draw(rng, 8), links = nodes + draw(rng, nodes);
	char name[16];

	memset(t, 0, sizeof(*t));
	for (uint32_t i = 0; i < nodes; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		node(t, name, i < 4 ? NODE_HOST : kinds[draw(rng, 3)]);
	}
	for (uint32_t i = 0; i < links; i++) {
		uint32_t a = draw(rng, nodes), b = draw(rng, nodes);

		if (a != b)
			join(t, a, b);
	}
	number(t);
}

/* A LAN around a switch, with some addresses far from the others, another in each family. */
static void make_lan(struct topology *t, struct rng *rng)
{
	uint32_t nodes = 5 + draw(rng, 10), s;
	char name[64];

	memset(t, 0, sizeof(*t));
	for (uint32_t i = 0; i < nodes; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		node(t, name, NODE_HOST);
	}
	s = node(t, "s", NODE_SWITCH);
	for (uint32_t i = 0; i < nodes; i++) {
		uint32_t port = 2 * join(t, i, s);

		if (draw(rng, 2)) {
			snprintf(name, sizeof(name), "172.16.%u.%u/12", i, 1 + draw(rng, 250));
			give(t, port, name);
		}
		if (draw(rng, 2)) {
			snprintf(name, sizeof(name), "fd00::%x:%x:0:%x/64", draw(rng, 3),
				 draw(rng, 3), 1 + i);
			give(t, port, name);
		}
	}
	number(t);
}

/* Hosts around a router, each on a network of its own. */
static void make_star(struct topology *t, struct rng *rng)
{
	uint32_t nodes = 4 + draw(rng, 10), r;
	char name[16];

	memset(t, 0, sizeof(*t));
	for (uint32_t i = 0; i < nodes; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		node(t, name, NODE_HOST);
	}
	r = node(t, "r", NODE_ROUTER);
	for (uint32_t i = 0; i < nodes; i++) {
		bool first = draw(rng, 2);

		join(t, first ? i : r, first ? r : i);
	}
	number(t);
}

static void test_who_is_cut_off_from_whom(void **state)
{
	static void (*const makers[])(struct topology * t,
				      struct rng * rng) = { make_random, make_lan, make_star,
							    make_random };
	struct rng rng = seeded(11);

	for (int round = 0; round < 400; round++) {
		struct faults all = { 0 };
		struct topology t;

		makers[round % (int)ARRAY_SIZE(makers)](&t, &rng);
		for (uint32_t i = 1 + draw(&rng, 3); i > 0; i--)
			add_random_cut(&all, &t, &rng);
		for (uint32_t link = 0; link < t.nlinks; link++) {
			check_link(&all, &t, link, &rng);
			check_arp(&all, &t, link);
		}
		faults_free(&all);
		topology_free(&t);
	}
}

/* Nothing comes from it, and nothing is asked of libpcap or anybody: no error either. */
static void test_a_node_without_a_link_can_be_cut_off(void **state)
{
	struct rng rng = seeded(1);
	struct topology t = { 0 };
	struct faults all = { 0 };
	struct programs p;
	union packet packet;
	struct spec s = { .what = UDP };

	small(&t);
	number(&t);
	add(&all, &t, "cut b c", &rng);
	programs_of(&p, &all, &t, 0);
	s.from = t.ports[0].addr[0];
	s.to = t.ports[1].addr[0];
	make_packet(&packet, &s);
	assert_false(stops(&p, CHOPPY_UP, -1, &packet) || stops(&p, CHOPPY_DOWN, -1, &packet));
	programs_free(&p);
	faults_free(&all);
	topology_free(&t);
}

/* Where nobody has an address between, and none of the family: any numbers, near the limits too. */
static void test_addresses_at_the_ends_of_their_range(void **state)
{
	static const char *const from4[] = { "0.0.0.0/0",	  "0.0.0.1/0",	      "0.0.0.2/0",
					     "127.255.255.255/0", "128.0.0.0/0",      "128.0.0.2/0",
					     "255.255.255.253/0", "255.255.255.255/0" };
	static const char *const others[] = { "0.0.0.3/0",	   "127.255.255.254/0",
					      "128.0.0.1/0",	   "128.0.0.3/0",
					      "255.255.255.252/0", "255.255.255.254/0",
					      "10.0.0.1/0" };
	static const struct choppy_rule rule = { .match = "x" };
	struct inet from[ARRAY_SIZE(from4)], to[2];
	struct cut_ends ends = { .from = from, .to = to, .nfrom = ARRAY_SIZE(from), .nto = 2 };
	struct match_insn *insns;
	union packet packet;
	struct match *m;
	uint32_t n;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(from4); i++)
		assert_int_equal(inet_parse(&from[i], from4[i], NULL), 0);
	assert_int_equal(inet_parse(&to[0], "10.0.0.1/32", NULL), 0);
	assert_int_equal(inet_parse(&to[1], "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", NULL),
			 0);
	assert_int_equal(cut_compile(&ends, &insns, &n, NULL), 0);
	m = match_new(&rule, insns, n, &r);
	assert_non_null(m);
	for (size_t i = 0; i < ARRAY_SIZE(from4) + ARRAY_SIZE(others); i++) {
		struct spec s = { .what = UDP, .to = to[0] };
		const bool is_from = i < ARRAY_SIZE(from4);

		assert_int_equal(inet_parse(&s.from,
					    is_from ? from4[i] : others[i - ARRAY_SIZE(from4)],
					    NULL),
				 0);
		make_packet(&packet, &s);
		if (match_frame(m, &packet.f) != is_from)
			fail_msg("%s", shown(&s.from));
	}
	match_free(m);
	free(insns);
}

/* An address by a number: those of IPv4, or with words that are mostly the same before it. */
static struct inet numbered(bool v6, uint32_t number, uint32_t spread)
{
	struct inet a = { .family = v6 ? AF_INET6 : AF_INET };
	uint32_t last = htonl(number), word = htonl(number % spread);

	if (v6)
		memcpy(a.bytes + 4, &word, 4);
	memcpy(a.bytes + (v6 ? 12 : 0), &last, 4);
	return a;
}

/* Whatever the length of the program, and so of its jumps: each number, and those beside it. */
static void test_one_among_many(void **state)
{
	enum { MOST = 1500 };
	static const struct choppy_rule rule = { .match = "x" };
	struct inet *from = calloc(2 * MOST, sizeof(*from)), to[2];
	bool *meant = malloc(4 * MOST + 4);
	struct rng rng = seeded(21);

	to[0] = numbered(false, 77, 1);
	to[1] = numbered(true, 77, 1);
	for (uint32_t n = 1; n <= MOST; n += 1 + n / 40) {
		struct cut_ends ends = { .from = from, .to = to, .nto = 2, .answered = n % 2 };
		uint32_t range = n + draw(&rng, 3 * n), spread = 1 + draw(&rng, 3), ninsns;
		struct match_insn *insns;
		struct match *m;
		int r;

		memset(meant, 0, 4 * MOST + 4);
		for (uint32_t i = 0; i < n; i++)
			meant[1 + draw(&rng, range)] = true;
		for (uint32_t i = 0; i < range + 2; i++)
			for (int v6 = 0; meant[i] && v6 < 2; v6++)
				from[ends.nfrom++] = numbered(v6, i, spread);
		assert_int_equal(cut_compile(&ends, &insns, &ninsns, NULL), 0);
		m = match_new(&rule, insns, ninsns, &r);
		assert_non_null(m);
		for (uint32_t i = 0; i < 2 * (range + 2); i++) {
			const bool v6 = i & 1;
			struct spec s = { .what = UDP, .v6 = v6, .to = to[v6] };
			union packet packet;

			s.from = numbered(v6, i / 2, spread);
			make_packet(&packet, &s);
			if (match_frame(m, &packet.f) != meant[i / 2])
				fail_msg("%u of %u, a program of %u: %s", i / 2, n, ninsns,
					 shown(&s.from));
		}
		match_free(m);
		free(insns);
	}
	free(meant);
	free(from);
}

static void test_a_link_that_is_off_passes_nothing(void **state)
{
	struct rng rng = seeded(1);
	struct topology t = { 0 };
	struct faults all = { 0 };
	struct programs p;
	union packet packet = { 0 };

	small(&t);
	number(&t);
	add(&all, &t, "cut a b reject", &rng);
	add(&all, &t, "link a-b off", &rng);
	programs_of(&p, &all, &t, 0);
	assert_int_equal(p.n, 2);
	packet.f.len = 14;
	frame_parse(&packet.f);
	for (int d = 0; d < CHOPPY_NDIRS; d++)
		assert_true(stops(&p, d, -1, &packet));
	programs_free(&p);
	faults_free(&all);
	topology_free(&t);
}

/* -------------------------------------------------------------------- size */

static uint32_t lan_of(struct topology *t, uint32_t n)
{
	uint32_t s = 0;
	char name[16];

	memset(t, 0, sizeof(*t));
	for (uint32_t i = 0; i < n; i++) {
		if (i % 1000 == 0) {
			uint32_t before = s;

			snprintf(name, sizeof(name), "s%u", i);
			s = node(t, name, NODE_SWITCH);
			if (i)
				join(t, before, s);
		}
		snprintf(name, sizeof(name), "n%u", i);
		join(t, node(t, name, NODE_HOST), s);
	}
	number(t);
	return n;
}

static uint32_t star_of(struct topology *t, uint32_t n)
{
	uint32_t r;
	char name[16];

	memset(t, 0, sizeof(*t));
	r = node(t, "r", NODE_ROUTER);
	for (uint32_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		join(t, node(t, name, NODE_HOST), r);
	}
	number(t);
	return n;
}

/* The most instructions of a program of any link. */
static uint32_t longest(const struct faults *all, const struct topology *t)
{
	struct choppy_err err = { 0 };
	uint32_t most = 0;

	for (uint32_t link = 0; link < t->nlinks; link++) {
		struct compile_cut cut[LINK_CUTS_MAX] = { 0 };
		uint32_t n;

		if (faults_cuts(all, t, link, cut, &n, &err) < 0)
			fail_msg("%s", err.msg);
		for (uint32_t i = 0; i < n; i++) {
			assert_true(match_program_sound(cut[i].insns, cut[i].ninsns));
			most = cut[i].ninsns > most ? cut[i].ninsns : most;
			free(cut[i].insns);
		}
	}
	return most;
}

/* Two for each address that is cut off, and what else there is: one tree serves both families. */
static void test_a_thousand_nodes_in_two_halves(void **state)
{
	struct rng rng = seeded(5);
	struct topology t;
	struct faults all = { 0 };
	uint32_t n = lan_of(&t, 1000);

	add(&all, &t, "partition halves reject reset", &rng);
	assert_in_range(longest(&all, &t), n / 2, n + 100);
	faults_free(&all);
	topology_free(&t);
	n = star_of(&t, 1000);
	add(&all, &t, "partition halves", &rng);
	assert_in_range(longest(&all, &t), n / 2, n + 100);
	faults_free(&all);
	topology_free(&t);
}

/* Node n1 no longer hears every @step-th of @n. */
static void cut_every(struct faults *all, const struct topology *t, uint32_t n, uint32_t step)
{
	struct fault f = { .verb = VERB_CUT, .ncuts = 1, .cuts = calloc(1, sizeof(*f.cuts)) };
	uint32_t to, i;
	char name[16];

	assert_non_null(f.cuts);
	f.cuts->reject = -1;
	for (i = 0; i < n; i += step) {
		snprintf(name, sizeof(name), "n%u", i);
		assert_int_equal(topology_find_node(t, name, &to, NULL), 0);
		assert_int_equal(node_list_add(&f.cuts->from, to), 0);
	}
	assert_int_equal(topology_find_node(t, "n1", &to, NULL), 0);
	assert_int_equal(node_list_add(&f.cuts->to, to), 0);
	assert_true(faults_add(all, &f));
}

/* Every second of a network's: as many rows of neighbours as there can be. */
static void test_the_most_that_a_thousand_can_ask_for(void **state)
{
	struct topology t;
	struct faults all = { 0 };
	uint32_t n = lan_of(&t, 1000);

	cut_every(&all, &t, n, 2);
	assert_in_range(longest(&all, &t), n - 10, n + 100);
	faults_free(&all);
	topology_free(&t);
}

/* As many as a lab can have nodes. */
static void test_a_lab_of_the_largest_size(void **state)
{
	struct compile_cut cut[LINK_CUTS_MAX] = { 0 };
	struct choppy_err err = { 0 };
	struct topology t;
	struct faults all = { 0 };
	uint32_t n = star_of(&t, NODES_MAX - 1), ncuts;

	cut_every(&all, &t, n, 1);
	if (faults_cuts(&all, &t, 1, cut, &ncuts, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(ncuts, 1);
	assert_in_range(cut[0].ninsns, 2 * n - 10, 2 * n + 500);
	free(cut[0].insns);
	faults_free(&all);
	topology_free(&t);
}

static void test_too_many_addresses_are_refused(void **state)
{
	enum { MANY = 40000, FIT = 32000 };
	struct inet *from = calloc(MANY, sizeof(*from));
	struct cut_ends ends = { .from = from, .nfrom = MANY };
	struct match_insn *insns = NULL;
	struct choppy_err err = { 0 };
	uint32_t n = 7;

	for (uint32_t i = 0; i < MANY; i++)
		from[i] = (struct inet){ .family = AF_INET, .v4.s_addr = htonl(2 * i) };
	assert_int_equal(cut_compile(&ends, &insns, &n, &err), -E2BIG);
	assert_non_null(strstr(err.msg, "40000 addresses are too many to be cut off at once"));
	assert_non_null(strstr(err.msg, "and 65536 are possible"));
	assert_true(!insns && n == 7);
	ends.nfrom = FIT;
	assert_int_equal(cut_compile(&ends, &insns, &n, &err), 0);
	assert_true(match_program_sound(insns, n));
	free(insns);
	free(from);
}

/* -------------------------------------------------------------------- plan */

/* A plan with its memory. */
struct planned {
	struct plan plan;
	void *map;
	uint64_t size;
};

static void plan_of(struct planned *p, const struct compile_input *in)
{
	struct choppy_err err = { 0 };
	int fd;

	if (compile_plan(in, &fd, &p->size, &err) < 0)
		fail_msg("%s", err.msg);
	p->map = mmap(NULL, p->size, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(p->map, MAP_FAILED);
	close(fd);
	assert_int_equal(plan_read(&p->plan, p->map, p->size), 0);
}

/* One packet of each kind from a to b, as direction @dir of the first link sees them. */
static void send_kinds(struct mem_port *m, const struct topology *t, bool back)
{
	static const struct virtio_net_hdr none;
	unsigned char bytes[256];

	for (int what = 0; what < NWHATS; what++) {
		struct spec s = { .what = (enum what)what,
				  .from = t->ports[back].addr[0],
				  .to = t->ports[!back].addr[0] };

		mem_feed(m, mem_raw(m, &none, bytes, put_frame(bytes, &s)), 0);
	}
}

/* What direction @dir of the first link does with them. */
static void counted(const struct faults *all, const struct topology *t, enum choppy_dir dir,
		    struct choppy_counters *ret, uint64_t matched[LINK_RULES_MAX])
{
	struct compile_cut cuts[LINK_CUTS_MAX] = { 0 };
	struct choppy_condition conditions[CHOPPY_NDIRS] = { 0 };
	struct compile_input in = { .dir = conditions, .replay = "", .cuts = cuts };
	struct choppy_err err = { 0 };
	struct choppy_change rules;
	struct planned p;
	struct mem_port m;

	parse_change(&rules, "match udp duplicate 100% match tcp loss 100%");
	in.rules = &rules.rules;
	if (faults_cuts(all, t, 0, cuts, &in.ncuts, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(compile_plan(&in, NULL, NULL, &err), 0);
	plan_of(&p, &in);
	mem_open(&m, MEM_CAP, 1, 0, dir);
	mem_plan(&m, &p.plan.pipe[dir]);
	send_kinds(&m, t, dir == CHOPPY_DOWN);
	mem_drain(&m);
	mem_check_sum(&m);
	pipe_counters(m.pipe, ret, matched);
	mem_close(&m);
	munmap(p.map, p.size);
	for (uint32_t i = 0; i < in.ncuts; i++)
		free(cuts[i].insns);
}

/* What a cut stops, no rule sees; what it lets pass, the rules have. */
static void test_cuts_stand_before_the_rules(void **state)
{
	uint64_t matched[LINK_RULES_MAX];
	struct rng rng = seeded(1);
	struct topology t = { 0 };
	struct faults all = { 0 };
	struct choppy_counters c;
	uint64_t id;

	small(&t);
	number(&t);
	counted(&all, &t, CHOPPY_UP, &c, matched);
	assert_int_equal(c.duplicated, 2); /* a fragment, too */
	assert_int_equal(c.dropped[CHOPPY_DROP_LOSS], 6);
	id = add(&all, &t, "cut a to b", &rng);
	counted(&all, &t, CHOPPY_UP, &c, matched);
	assert_int_equal(c.dropped[CHOPPY_DROP_OUTAGE], NWHATS);
	assert_int_equal(matched[0], NWHATS);
	assert_int_equal(matched[1] + matched[2], 0);
	counted(&all, &t, CHOPPY_DOWN, &c, matched);
	assert_int_equal(c.dropped[CHOPPY_DROP_OUTAGE], 0);
	assert_int_equal(c.duplicated, 2);
	fault_free(faults_take(&all, id));
	/* Answers pass: two resets and the first part of one, as many of unreachable. */
	add(&all, &t, "cut a b reject prohibited", &rng);
	for (int d = 0; d < CHOPPY_NDIRS; d++) {
		counted(&all, &t, d, &c, matched);
		assert_int_equal(c.dropped[CHOPPY_DROP_OUTAGE], 0);
		assert_int_equal(c.dropped[CHOPPY_DROP_REJECT], NWHATS - 5);
		assert_int_equal(matched[0], NWHATS - 5);
		assert_int_equal(c.dropped[CHOPPY_DROP_LOSS], 3);
		assert_int_equal(matched[1], 0);
		assert_int_equal(matched[2], 3);
	}
	faults_free(&all);
	topology_free(&t);
}

/* The engine keeps what belongs to a rule that is the same: another cut is another rule. */
static void test_another_cut_is_another_rule(void **state)
{
	struct rng rng = seeded(1);
	struct topology t = { 0 };
	struct choppy_condition conditions[CHOPPY_NDIRS] = { 0 };
	static const char *const lines[] = { "cut a to b", "cut r to b", "cut a to b reject",
					     "cut a to b" };
	char match[ARRAY_SIZE(lines)][CHOPPY_MATCH_MAX];

	small(&t);
	number(&t);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct compile_cut cuts[LINK_CUTS_MAX] = { 0 };
		struct choppy_rules none = { 0 };
		struct compile_input in = {
			.dir = conditions, .rules = &none, .replay = "", .cuts = cuts
		};
		struct faults all = { 0 };
		struct planned p;

		add(&all, &t, lines[i], &rng);
		assert_int_equal(faults_cuts(&all, &t, 0, cuts, &in.ncuts, NULL), 0);
		assert_int_equal(in.ncuts, 1);
		plan_of(&p, &in);
		assert_int_equal(p.plan.pipe[CHOPPY_UP].nrules, 1);
		assert_int_equal(p.plan.pipe[CHOPPY_DOWN].nrules, 0);
		strcpy(match[i], p.plan.pipe[CHOPPY_UP].rules[0].rule->match);
		for (size_t k = 0; k < i; k++)
			assert_int_equal(strcmp(match[i], match[k]) == 0, i == 3 && k == 0);
		munmap(p.map, p.size);
		free(cuts[0].insns);
		faults_free(&all);
	}
	topology_free(&t);
}

/* ---------------------------------------------------------------- in words */

static int note_link(uint32_t link, void *ctx)
{
	*(uint32_t *)ctx |= 1u << link;
	return 0;
}

static int stop_at_once(uint32_t link, void *ctx)
{
	++*(uint32_t *)ctx;
	return -EINTR;
}

static void test_faults_in_words_and_their_links(void **state)
{
	static const struct {
		const char *action, *words;
		uint32_t links;
	} rows[] = {
		{ "cut a b", "cut a to b, b to a", 7 },
		{ "cut 'a r' to 'b c' reject reset", "cut a r to b c reject reset", 7 },
		{ "cut b to a", "cut b to a", 3 },
		{ "cut b to c", "cut b to c", 0 },
		{ "partition 'a|b r'", "partition b r to a, a to b r", 7 },
		{ "link b-r off", "link b-r off", 4 },
		{ "link uplink off", "link uplink off", 0 },
		{ "set a loss 1%", "set a-b b-a", 3 },
		{ "ramp a>b loss 1% to 2% over 1s", "ramp a-b b-a", 3 },
		{ "pause b c", "pause b c", 0 },
		{ "kill r", "kill r", 0 },
	};
	struct rng rng = seeded(1);
	struct topology t = { 0 };

	small(&t);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct faults all = { 0 };
		const struct fault *f;
		uint32_t links = 0, calls = 0;
		char text[128];
		int n;

		f = faults_find(&all, add(&all, &t, rows[i].action, &rng));
		n = fault_print(text, sizeof(text), f, &t);
		assert_string_equal(text, rows[i].words);
		assert_int_equal(n, strlen(text));
		assert_int_equal(fault_print(NULL, 0, f, &t), n);
		assert_int_equal(fault_print(text, 6, f, &t), n);
		assert_int_equal(strncmp(text, rows[i].words, 5), 0);
		assert_int_equal(text[5], 0);
		assert_int_equal(fault_links(f, &t, note_link, &links), 0);
		assert_int_equal(links, rows[i].links);
		assert_int_equal(fault_links(f, &t, stop_at_once, &calls), links ? -EINTR : 0);
		assert_int_equal(calls, links != 0);
		faults_free(&all);
	}
	topology_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_list_keeps_its_order),
		cmocka_unit_test(test_what_is_off_and_who_stands_still),
		cmocka_unit_test(test_a_change_is_turned),
		cmocka_unit_test(test_conditions_lie_over_each_other),
		cmocka_unit_test(test_what_cannot_be_laid_is_told),
		cmocka_unit_test(test_who_is_cut_off_from_whom),
		cmocka_unit_test(test_a_node_without_a_link_can_be_cut_off),
		cmocka_unit_test(test_addresses_at_the_ends_of_their_range),
		cmocka_unit_test(test_one_among_many),
		cmocka_unit_test(test_a_link_that_is_off_passes_nothing),
		cmocka_unit_test(test_a_thousand_nodes_in_two_halves),
		cmocka_unit_test(test_the_most_that_a_thousand_can_ask_for),
		cmocka_unit_test(test_a_lab_of_the_largest_size),
		cmocka_unit_test(test_too_many_addresses_are_refused),
		cmocka_unit_test(test_cuts_stand_before_the_rules),
		cmocka_unit_test(test_another_cut_is_another_rule),
		cmocka_unit_test(test_faults_in_words_and_their_links),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
