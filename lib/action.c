/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 *	action    = "set" TARGET CONDITION
 *	          | "cut" NODES [ "to" ] NODES [ reject ]
 *	          | "partition" ( NODES { "|" NODES } | SHAPE [ "of" NODES ] ) [ reject ]
 *	          | "heal"
 *	          | "link" ( LINK | "uplink" ) ( "on" | "off" )
 *	          | ( "pause" | "resume" | "kill" | "start" | "restart" ) [ "any" ] NODES
 *	          | "ramp" TARGET CLAUSE VALUE "to" VALUE [ "over" TIME ]
 *	          | "run" [ "any" ] NODE COMMAND
 *	          | "mark" NAME
 *	TARGET    = LINK | NODE | NODE ">" NODE
 *	NODES     = NODE { NODE }, each a name or a pattern: w[1-3]
 *	SHAPE     = "halves" | "isolate" [ NODE ] | "bridge" | "ring"
 *	reject    = "reject" [ "unreachable" | "prohibited" | "reset" ]
 *
 * Of a condition for a node `up` is from the node, as at a lab's uplink. Shapes are those that
 * Jepsen's nemesis has (majorities-ring: each node hears itself and as many neighbours on both
 * sides as make a majority).
 */
#include "action.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "fields.h"
#include "near.h"
#include "util.h"
#include "value.h"
#include "when.h"

const struct verb_row verbs[VERB_NVERBS] = {
#define ROW(id, name_, usage_, help_)                                                              \
	[VERB_##id] = { .name = (name_), .usage = (usage_), .help = (help_) },
	CHOPPY_VERBS(ROW)
#undef ROW
};

/* What can be taken back: it may stand where a timeline says from when to when. */
bool verb_ends(enum verb v)
{
	static const bool ends[VERB_NVERBS] = {
		[VERB_SET] = true,  [VERB_CUT] = true,	 [VERB_PARTITION] = true,
		[VERB_LINK] = true, [VERB_PAUSE] = true, [VERB_KILL] = true,
		[VERB_RAMP] = true,
	};

	return ends[v];
}

static const char *const splits[SPLIT_NSPLITS] = {
	[SPLIT_HALVES] = "halves",
	[SPLIT_ISOLATE] = "isolate",
	[SPLIT_BRIDGE] = "bridge",
	[SPLIT_RING] = "ring",
};

/* The least nodes that a shape makes a difference to. */
static const uint32_t split_least[SPLIT_NSPLITS] = {
	[SPLIT_HALVES] = 2,
	[SPLIT_ISOLATE] = 2,
	[SPLIT_BRIDGE] = 3,
	[SPLIT_RING] = 4,
};

struct parser {
	struct action *a;
	const struct topology *t;
	const char *const *v;
	int n, at;
	struct choppy_err *err;
};

void action_free(struct action *a)
{
	for (uint32_t i = 0; i < a->ngroups; i++)
		node_list_free(&a->groups[i]);
	free(a->groups);
	free(a->ways);
	free(a->change);
	free(a->text);
	*a = (struct action){ 0 };
}

static const char *word(const struct parser *p)
{
	return p->at < p->n ? p->v[p->at] : NULL;
}

static bool take_word(struct parser *p, const char *w)
{
	bool is = word(p) && strcmp(word(p), w) == 0;

	p->at += is;
	return is;
}

static int no_memory(struct parser *p)
{
	return err_sys(p->err, -ENOMEM, "read the action");
}

static int missing(struct parser *p, const char *what)
{
	return err_set(p->err, -EINVAL, "%s is missing: %s %s", what, verbs[p->a->verb].name,
		       verbs[p->a->verb].usage);
}

/* ------------------------------------------------------------------- nodes */

static struct node_list *new_group(struct parser *p)
{
	struct action *a = p->a;
	void *groups = realloc(a->groups, (a->ngroups + 1) * sizeof(*a->groups));

	if (!groups) {
		no_memory(p);
		return NULL;
	}
	a->groups = groups;
	a->groups[a->ngroups] = (struct node_list){ 0 };
	return &a->groups[a->ngroups++];
}

static bool among(const struct node_list *l, uint32_t node)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (l->v[i] == node)
			return true;
	return false;
}

struct expansion {
	struct parser *p;
	struct node_list *list;
};

static int add_node(const char *name, void *ctx)
{
	struct expansion *e = ctx;
	const struct topology *t = e->p->t;
	uint32_t node;
	int r = topology_find_node(t, name, &node, e->p->err);

	if (r < 0)
		return r;
	if (t->nodes[node].kind == NODE_SWITCH)
		return err_set(e->p->err, -EINVAL,
			       "%s is a switch: nothing runs on it, and it has no address; its "
			       "links can be turned off",
			       name);
	if (among(e->list, node))
		return 0;
	return node_list_add(e->list, node) < 0 ? no_memory(e->p) : 0;
}

/* Names and patterns in @text, with spaces between. */
static int add_nodes(struct parser *p, struct node_list *list, const char *text)
{
	struct expansion e = { .p = p, .list = list };
	CLEANUP_FREE char *copy = strdup(text);
	char *save = NULL;
	int r = 0;

	if (!copy)
		return no_memory(p);
	for (char *w = strtok_r(copy, " \t\n", &save); r == 0 && w;
	     w = strtok_r(NULL, " \t\n", &save))
		r = topology_expand(w, add_node, &e, p->err);
	return r;
}

static int parse_nodes(struct parser *p, const char *what)
{
	struct node_list *list;
	int r;

	if (!word(p))
		return missing(p, what);
	list = new_group(p);
	r = list ? add_nodes(p, list, p->v[p->at++]) : -ENOMEM;
	return r == 0 && !list->n ? missing(p, what) : r;
}

/* All that follow. */
static int parse_all_nodes(struct parser *p)
{
	struct node_list *list;
	int r = 0;

	p->a->any = take_word(p, "any");
	list = new_group(p);
	while (list && r == 0 && word(p))
		r = add_nodes(p, list, p->v[p->at++]);
	if (!list)
		return -ENOMEM;
	return r == 0 && !list->n ? missing(p, "the name of a node") : r;
}

/* ------------------------------------------------------------------ reject */

/* Which of the kinds @w is, or -1. */
static int reject_kind(const char *w)
{
	const char *const *choices = fields[CHOPPY_REJECT].choices;

	for (int i = 0; choices[i]; i++)
		if (strcmp(choices[i], w) == 0)
			return i;
	return -1;
}

static int parse_reject(struct parser *p)
{
	int kind = -1;

	p->a->reject = -1;
	if (!take_word(p, "reject"))
		return 0;
	if (word(p))
		kind = reject_kind(word(p));
	p->a->reject = kind < 0 ? (int)fields[CHOPPY_REJECT].otherwise : kind;
	p->at += kind >= 0;
	return 0;
}

static int parse_cut(struct parser *p)
{
	const struct node_list *g;
	int r = parse_nodes(p, "a node");

	if (r == 0) {
		p->a->one_way = take_word(p, "to");
		r = parse_nodes(p, "the other node");
	}
	if (r < 0)
		return r;
	g = p->a->groups;
	if (g[0].n == 1 && g[1].n == 1 && g[0].v[0] == g[1].v[0])
		return err_set(p->err, -EINVAL, "%s cannot be cut off from itself",
			       p->t->nodes[g[0].v[0]].name);
	return parse_reject(p);
}

/* --------------------------------------------------------------- partition */

/* "a b | c": groups on both sides of each bar, which need no spaces around it. */
static int parse_sides(struct parser *p)
{
	struct node_list *list = new_group(p);
	int r = list ? 0 : -ENOMEM;

	while (r == 0 && word(p) && strcmp(word(p), "reject") != 0) {
		const char *w = p->v[p->at++];

		while (r == 0) {
			size_t len = strcspn(w, "|");
			CLEANUP_FREE char *side = strndup(w, len);

			r = side ? add_nodes(p, list, side) : no_memory(p);
			w += len;
			if (r < 0 || !*w)
				break;
			list = new_group(p);
			r = list ? 0 : -ENOMEM;
			w++;
		}
	}
	return r;
}

static int check_sides(struct parser *p)
{
	const struct action *a = p->a;

	if (a->ngroups < 2)
		return err_set(p->err, -EINVAL,
			       "a partition has two sides at least, with a bar between: 'a b | c'");
	for (uint32_t i = 0; i < a->ngroups; i++) {
		if (!a->groups[i].n)
			return err_set(p->err, -EINVAL, "nobody is on one side of the bar");
		for (uint32_t k = 0; k < a->groups[i].n; k++)
			for (uint32_t j = 0; j < i; j++)
				if (among(&a->groups[j], a->groups[i].v[k]))
					return err_set(p->err, -EINVAL,
						       "%s is on both sides of the bar",
						       p->t->nodes[a->groups[i].v[k]].name);
	}
	return 0;
}

/* Of all hosts, where nobody else is named. */
static int parse_split_nodes(struct parser *p)
{
	struct node_list *list = new_group(p);
	int r = list ? 0 : -ENOMEM;

	if (r == 0 && take_word(p, "of"))
		while (r == 0 && word(p) && strcmp(word(p), "reject") != 0)
			r = add_nodes(p, list, p->v[p->at++]);
	else
		for (uint32_t i = 0; r == 0 && i < p->t->nnodes; i++)
			if (p->t->nodes[i].kind == NODE_HOST && node_list_add(list, i) < 0)
				r = no_memory(p);
	if (r == 0 && list->n < split_least[p->a->split])
		return err_set(p->err, -EINVAL, "%s needs %u nodes at least, and here are %u",
			       splits[p->a->split], split_least[p->a->split], list->n);
	return r;
}

/* The one that is isolated stands before "of": group 1. */
static int parse_split(struct parser *p)
{
	struct node_list alone = { 0 }, *list;
	bool named;
	int r = 0;

	p->at++;
	named = p->a->split == SPLIT_ISOLATE && word(p) && strcmp(word(p), "of") != 0 &&
		strcmp(word(p), "reject") != 0;
	if (named)
		r = add_nodes(p, &alone, p->v[p->at++]);
	if (r == 0 && named && !alone.n)
		r = missing(p, "the node that is isolated");
	if (r == 0 && alone.n > 1)
		r = err_set(p->err, -EINVAL, "one node is isolated; for more: partition 'A B | C'");
	if (r == 0)
		r = parse_split_nodes(p);
	list = r == 0 && named ? new_group(p) : NULL;
	if (list)
		*list = alone;
	else
		node_list_free(&alone);
	return r == 0 && named && !list ? -ENOMEM : r;
}

static int parse_partition(struct parser *p)
{
	int r;

	for (int s = SPLIT_GIVEN + 1; word(p) && s < SPLIT_NSPLITS; s++)
		if (strcmp(word(p), splits[s]) == 0)
			p->a->split = (enum split)s;
	if (!word(p))
		return missing(p, "who is on which side");
	r = p->a->split == SPLIT_GIVEN ? parse_sides(p) : parse_split(p);
	if (r == 0 && p->a->split == SPLIT_GIVEN)
		r = check_sides(p);
	return r < 0 ? r : parse_reject(p);
}

/* ------------------------------------------------------------------- links */

static int add_way(struct parser *p, const struct way *way)
{
	void *ways = realloc(p->a->ways, (p->a->nways + 1) * sizeof(*p->a->ways));

	if (!ways)
		return no_memory(p);
	p->a->ways = ways;
	p->a->ways[p->a->nways++] = *way;
	return 0;
}

/* Every link of a node: `up` is from it. */
static int ways_of_node(struct parser *p, uint32_t node)
{
	const struct topology *t = p->t;
	int r = 0;

	if (t->nodes[node].first_port == NO_PORT)
		return err_set(p->err, -EINVAL, "%s has no link", t->nodes[node].name);
	for (uint32_t port = t->nodes[node].first_port; r == 0 && port != NO_PORT;
	     port = t->ports[port].next)
		r = add_way(p, &(struct way){ .link = port_link(port),
					      .dirs = CHOPPY_BOTH,
					      .turned = port & 1 });
	return r;
}

/* "A>B": that direction of every link between them. */
static int ways_between(struct parser *p, const char *target)
{
	const char *arrow = strchr(target, '>');
	CLEANUP_FREE char *from = strndup(target, (size_t)(arrow - target));
	const struct topology *t = p->t;
	uint32_t a, b;
	int r;

	if (!from)
		return no_memory(p);
	r = topology_find_node(t, from, &a, p->err);
	if (r == 0)
		r = topology_find_node(t, arrow + 1, &b, p->err);
	for (uint32_t port = r < 0 ? NO_PORT : t->nodes[a].first_port; r == 0 && port != NO_PORT;
	     port = t->ports[port].next)
		if (t->ports[port_peer(port)].node == b)
			r = add_way(p, &(struct way){ .link = port_link(port),
						      .dirs = (uint8_t)CHOPPY_DIR_BIT(port & 1) });
	if (r == 0 && !p->a->nways)
		return err_set(p->err, -ENOENT, "no link joins %s and %s", from, arrow + 1);
	return r;
}

static int parse_target(struct parser *p)
{
	struct choppy_err none = { 0 };
	const char *target = word(p);
	char shown[WORD_BYTES];
	uint32_t n;

	if (!target)
		return missing(p, "the name of a link or a node");
	p->at++;
	if (strchr(target, '>'))
		return ways_between(p, target);
	if (topology_find_link(p->t, target, &n, &none) == 0)
		return add_way(p, &(struct way){ .link = n, .dirs = CHOPPY_BOTH });
	if (topology_find_node(p->t, target, &n, NULL) == 0)
		return ways_of_node(p, n);
	word_shown(shown, target);
	return err_set(p->err, -ENOENT, "no node and no link is called '%s'%s", shown,
		       strstr(none.msg, "; is it") ? strstr(none.msg, "; is it") : "");
}

static int parse_link(struct parser *p)
{
	uint32_t link;
	int r = 0;

	if (!word(p))
		return missing(p, "the name of a link");
	p->a->uplink = take_word(p, "uplink");
	if (!p->a->uplink) {
		r = topology_find_link(p->t, word(p), &link, p->err);
		p->at++;
	}
	if (r == 0 && !p->a->uplink)
		r = add_way(p, &(struct way){ .link = link, .dirs = CHOPPY_BOTH });
	if (r < 0)
		return r;
	p->a->on = take_word(p, "on");
	return p->a->on || take_word(p, "off") ? 0 : missing(p, "on or off");
}

/* Whether the words say up or down: without a node's eyes nobody knows which is which. */
static bool has_direction(const struct parser *p)
{
	for (int i = p->at; i < p->n; i++)
		if (strcmp(p->v[i], "up") == 0 || strcmp(p->v[i], "down") == 0)
			return true;
	return false;
}

static int parse_set(struct parser *p)
{
	const char *target = word(p);
	uint32_t link;
	int r = parse_target(p);

	if (r < 0)
		return r;
	if (!word(p))
		return missing(p, "a condition");
	if ((strchr(target, '>') || topology_find_link(p->t, target, &link, NULL) == 0) &&
	    has_direction(p))
		return err_set(p->err, -EINVAL,
			       "up and down are seen from a node: for one direction of a link name "
			       "it as '%s>%s'",
			       p->t->nodes[p->t->ports[2 * p->a->ways[0].link].node].name,
			       p->t->nodes[p->t->ports[2 * p->a->ways[0].link + 1].node].name);
	p->a->change = calloc(1, sizeof(*p->a->change));
	if (!p->a->change)
		return no_memory(p);
	r = choppy_change_parse(p->a->change, p->n - p->at, p->v + p->at, true, p->err);
	p->at = p->n;
	return r;
}

/* A clause whose first value is a plain number of its kind. */
static int ramp_field(struct parser *p)
{
	struct near near = near_begin(word(p));
	char shown[WORD_BYTES];

	for (int f = 0; f < CHOPPY_NFIELDS; f = clause_end(f)) {
		bool can = fields[f].kind == CHOPPY_KIND_TIME ||
			   fields[f].kind == CHOPPY_KIND_PROBABILITY ||
			   fields[f].kind == CHOPPY_KIND_RATE;

		if (can && strcmp(fields[f].word, word(p)) == 0)
			return f;
		if (can)
			near_try(&near, fields[f].word);
	}
	word_shown(shown, word(p));
	return err_set(p->err, -EINVAL, "'%s' is nothing that changes steadily%s%s%s", shown,
		       near.best ? "; is it '" : ": delay, loss, rate and the like",
		       near.best ? near.best : "", near.best ? "'?" : "");
}

static int ramp_value(struct parser *p, uint64_t *ret)
{
	if (!word(p))
		return missing(p, "a value");
	return value_parse(ret, &fields[p->a->ramp.field], p->v[p->at++], p->err);
}

static int parse_ramp(struct parser *p)
{
	struct ramp *ramp = &p->a->ramp;
	int r = parse_target(p);

	if (r == 0 && !word(p))
		r = missing(p, "what changes");
	if (r == 0)
		r = ramp->field = ramp_field(p);
	p->at++;
	if (r >= 0)
		r = ramp_value(p, &ramp->from);
	if (r == 0 && !take_word(p, "to"))
		r = missing(p, "'to'");
	if (r == 0)
		r = ramp_value(p, &ramp->to);
	if (r == 0 && take_word(p, "over"))
		r = word(p) ? when_time(&ramp->over_ns, p->v[p->at++], p->err)
			    : missing(p, "a time");
	if (r < 0)
		return r;
	p->a->change = calloc(1, sizeof(*p->a->change));
	if (!p->a->change)
		return no_memory(p);
	action_ramp(p->a, 0, 1, p->a->change);
	return 0;
}

/* ------------------------------------------------------------------ others */

static int parse_nothing(struct parser *p)
{
	return 0;
}

static int parse_text(struct parser *p, const char *what)
{
	if (!word(p) || !*word(p))
		return missing(p, what);
	p->a->text = strdup(p->v[p->at++]);
	return p->a->text ? 0 : no_memory(p);
}

static int parse_run(struct parser *p)
{
	int r;

	p->a->any = take_word(p, "any");
	r = parse_nodes(p, "the name of a node");
	return r < 0 ? r : parse_text(p, "a command");
}

static int parse_mark(struct parser *p)
{
	int r = parse_text(p, "a name");
	char shown[WORD_BYTES];

	if (r < 0 || when_mark_sound(p->a->text))
		return r;
	word_shown(shown, p->a->text);
	return err_set(p->err, -EINVAL,
		       "'%s' is no name of a mark: letters, digits, '-' and '_', at most %d", shown,
		       WHEN_MARK_MAX - 1);
}

static int (*const parsers[VERB_NVERBS])(struct parser *p) = {
	[VERB_SET] = parse_set,
	[VERB_CUT] = parse_cut,
	[VERB_PARTITION] = parse_partition,
	[VERB_HEAL] = parse_nothing,
	[VERB_LINK] = parse_link,
	[VERB_PAUSE] = parse_all_nodes,
	[VERB_RESUME] = parse_all_nodes,
	[VERB_KILL] = parse_all_nodes,
	[VERB_START] = parse_all_nodes,
	[VERB_RESTART] = parse_all_nodes,
	[VERB_RUN] = parse_run,
	[VERB_RAMP] = parse_ramp,
	[VERB_MARK] = parse_mark,
};

static int find_verb(struct parser *p)
{
	struct near near = near_begin(p->v[0]);
	char shown[WORD_BYTES];

	for (int v = 0; v < VERB_NVERBS; v++) {
		if (strcmp(verbs[v].name, p->v[0]) == 0) {
			p->a->verb = (enum verb)v;
			return 0;
		}
		near_try(&near, verbs[v].name);
	}
	word_shown(shown, p->v[0]);
	return err_set(p->err, -EINVAL, "'%s' is nothing that can be done to a lab%s%s%s", shown,
		       near.best ? "; is it '" : "", near.best ? near.best : "",
		       near.best ? "'?" : "");
}

static int too_many(struct parser *p)
{
	const struct verb_row *v = &verbs[p->a->verb];
	char shown[WORD_BYTES];

	word_shown(shown, word(p));
	return err_set(p->err, -EINVAL, "'%s' is one word too many: %s %s", shown, v->name,
		       v->usage);
}

int action_parse(struct action *ret, const struct topology *t, int n, const char *const *words,
		 struct choppy_err *err)
{
	struct action a = { .reject = -1 };
	struct parser p = { .a = &a, .t = t, .v = words, .n = n, .err = err };
	int r;

	if (n == 0)
		return err_set(err, -EINVAL, "nothing is said that is to be done");
	r = find_verb(&p);
	p.at = 1;
	if (r == 0)
		r = parsers[a.verb](&p);
	if (r == 0 && p.at < n)
		r = too_many(&p);
	if (r < 0)
		action_free(&a);
	else
		*ret = a;
	return r;
}

void action_ramp(const struct action *a, uint64_t elapsed_ns, uint64_t over_ns,
		 struct choppy_change *ret)
{
	const struct ramp *ramp = &a->ramp;
	bool falls = ramp->to < ramp->from;
	uint64_t way = falls ? ramp->from - ramp->to : ramp->to - ramp->from;
	uint64_t part = elapsed_ns >= over_ns
				? way
				: (uint64_t)((unsigned __int128)way * elapsed_ns / over_ns);
	uint64_t value = falls ? ramp->from - part : ramp->from + part;

	memset(ret, 0, sizeof(*ret));
	for (int d = 0; d < CHOPPY_NDIRS; d++) {
		ret->dir[d].set = CHOPPY_FIELD_BIT(ramp->field);
		memcpy(field_value(&ret->dir[d], ramp->field), &value, sizeof(value));
	}
}

/* -------------------------------------------------------------------- cuts */

void cuts_free(struct cut *cuts, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		node_list_free(&cuts[i].from);
		node_list_free(&cuts[i].to);
	}
	free(cuts);
}

static int copy_list(struct node_list *to, const struct node_list *from)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < from->n; i++)
		r = node_list_add(to, from->v[i]);
	return r;
}

/* The cuts of a shape in the making. */
struct draft {
	struct cut *cuts;
	uint32_t n, room;
	int reject;
};

static struct cut *new_cut(struct draft *d)
{
	if (d->n == d->room) {
		uint32_t room = d->room ? 2 * d->room : 4;
		void *cuts = realloc(d->cuts, room * sizeof(*d->cuts));

		if (!cuts)
			return NULL;
		d->cuts = cuts;
		d->room = room;
	}
	d->cuts[d->n] = (struct cut){ .reject = d->reject };
	return &d->cuts[d->n++];
}

static int put_cut(struct draft *d, const struct node_list *from, const struct node_list *to)
{
	struct cut *c = new_cut(d);
	int r = c ? copy_list(&c->from, from) : -ENOMEM;

	return r < 0 ? r : copy_list(&c->to, to);
}

static int put_both(struct draft *d, const struct node_list *a, const struct node_list *b)
{
	int r = put_cut(d, a, b);

	return r < 0 ? r : put_cut(d, b, a);
}

/* Each side from all others at once. */
static int put_sides(struct draft *d, const struct action *a)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < a->ngroups; i++) {
		struct cut *c = new_cut(d);

		r = c ? copy_list(&c->to, &a->groups[i]) : -ENOMEM;
		for (uint32_t k = 0; r == 0 && k < a->ngroups; k++)
			if (k != i)
				r = copy_list(&c->from, &a->groups[k]);
	}
	return r;
}

static void shuffle(struct node_list *l, struct rng *rng)
{
	for (uint32_t i = l->n; i > 1; i--) {
		uint32_t k = (uint32_t)rng_below(rng, i), v = l->v[k];

		l->v[k] = l->v[i - 1];
		l->v[i - 1] = v;
	}
}

/* Nodes @first to @end of @l, which are not copied. */
static struct node_list part(const struct node_list *l, uint32_t first, uint32_t end)
{
	return (struct node_list){ .v = l->v + first, .n = end - first };
}

static int put_isolated(struct draft *d, const struct node_list *order,
			const struct node_list *alone)
{
	struct node_list rest = { 0 };
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < order->n; i++)
		if (!among(alone, order->v[i]))
			r = node_list_add(&rest, order->v[i]);
	if (r == 0)
		r = put_both(d, alone, &rest);
	node_list_free(&rest);
	return r;
}

static int put_ring(struct draft *d, const struct node_list *order)
{
	/* Of n nodes n / 2 + 1 are a majority: that many less itself, on both sides. */
	uint32_t n = order->n, reach = (n / 2 + 1) / 2;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < n; i++) {
		const struct node_list one = part(order, i, i + 1);
		struct cut *c = new_cut(d);

		r = c ? copy_list(&c->to, &one) : -ENOMEM;
		for (uint32_t k = reach + 1; r == 0 && k < n - reach; k++)
			r = node_list_add(&c->from, order->v[(i + k) % n]);
	}
	return r;
}

static int put_split(struct draft *d, const struct action *a, struct rng *rng)
{
	struct node_list order = { 0 }, sides[2];
	int r = copy_list(&order, &a->groups[0]);

	if (r < 0)
		return r;
	shuffle(&order, rng);
	sides[0] = part(&order, 0, order.n / 2);
	sides[1] = part(&order, order.n / 2 + (a->split == SPLIT_BRIDGE), order.n);
	if (a->split == SPLIT_ISOLATE && a->ngroups > 1)
		r = put_isolated(d, &order, &a->groups[1]);
	else if (a->split == SPLIT_ISOLATE)
		r = put_isolated(d, &order, &(struct node_list){ .v = order.v, .n = 1 });
	else if (a->split == SPLIT_RING)
		r = put_ring(d, &order);
	else
		r = put_both(d, &sides[0], &sides[1]);
	node_list_free(&order);
	return r;
}

int action_cuts(const struct action *a, struct rng *rng, struct cut **ret, uint32_t *ret_n)
{
	struct draft d = { .reject = a->reject };
	int r;

	if (a->verb == VERB_PARTITION)
		r = a->split == SPLIT_GIVEN ? put_sides(&d, a) : put_split(&d, a, rng);
	else if (a->one_way)
		r = put_cut(&d, &a->groups[0], &a->groups[1]);
	else
		r = put_both(&d, &a->groups[0], &a->groups[1]);
	if (r < 0) {
		cuts_free(d.cuts, d.n);
		return r;
	}
	*ret = d.cuts;
	*ret_n = d.n;
	return 0;
}

int action_nodes(const struct action *a, struct rng *rng, struct node_list *ret)
{
	const struct node_list *l = &a->groups[0];
	int r = 0;

	*ret = (struct node_list){ 0 };
	if (a->any)
		r = node_list_add(ret, l->v[rng_below(rng, l->n)]);
	else
		r = copy_list(ret, l);
	if (r < 0)
		node_list_free(ret);
	return r;
}
