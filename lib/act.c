/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is asked of a link is the condition of its file, or what `set` has made of it; over that lie
 * the conditions that hold for a while, in the order in which they came; and before all rules stand
 * the cuts. An action changes one of these, and every link to which that makes a difference is
 * compiled anew. What may be refused is looked at for all of them before the first is changed.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "fields.h"
#include "internal.h"
#include "play.h"
#include "util.h"

static const struct topology *topology_of(const struct lab *lab)
{
	return &lab->net.plan->file->t;
}

/* ------------------------------------------------------------------- links */

int net_link_condition(const struct lab *lab, uint32_t link, struct link_condition *ret,
		       struct choppy_err *err)
{
	const struct link_condition *c = lab->net.changed && lab->net.changed[link]
						 ? lab->net.changed[link]
						 : lab->net.plan->file->conditions[link];

	if (c)
		*ret = *c;
	else
		memset(ret, 0, sizeof(*ret));
	return faults_lay(&lab->net.faults, link, ret, err);
}

/* @apply: else it is only looked at whether that can be. */
static int renew(struct lab *lab, uint32_t link, bool apply, struct choppy_err *err)
{
	CLEANUP_FREE struct link_condition *c = malloc(sizeof(*c));
	struct compile_cut cuts[LINK_CUTS_MAX] = { 0 };
	struct compile_input in = { .replay = "", .cuts = cuts };
	CLEANUP_FD plan = -1;
	uint64_t size;
	int r = c ? net_link_condition(lab, link, c, err) : err_sys(err, -ENOMEM, "change a link");

	if (r == 0)
		r = lab_check_conditions(c->dir, &c->rules, err);
	if (r == 0)
		r = faults_cuts(&lab->net.faults, topology_of(lab), link, cuts, &in.ncuts, err);
	if (r == 0) {
		in.dir = c->dir;
		in.rules = &c->rules;
		r = compile_plan(&in, apply ? &plan : NULL, &size, err);
	}
	if (r == 0 && apply)
		r = remote_set(&lab->remote, net_engine_link(link), plan, size, err);
	for (uint32_t i = 0; i < LINK_CUTS_MAX; i++)
		free(cuts[i].insns);
	if (r < 0)
		err_prefix(err, "link %s", topology_of(lab)->links[link].name);
	return r;
}

/* Links, each once. */
struct link_set {
	bool *in;
	uint32_t n;
};

static int put_link(uint32_t link, void *ctx)
{
	((struct link_set *)ctx)->in[link] = true;
	return 0;
}

static int renew_all(struct lab *lab, const struct link_set *s, bool apply, struct choppy_err *err)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < s->n; i++)
		if (s->in[i])
			r = renew(lab, i, apply, err);
	return r;
}

static int links_of(const struct lab *lab, const struct fault *f, struct link_set *ret,
		    struct choppy_err *err)
{
	const struct topology *t = topology_of(lab);

	*ret = (struct link_set){ .in = calloc(t->nlinks + 1, sizeof(bool)), .n = t->nlinks };
	if (!ret->in)
		return err_sys(err, -ENOMEM, "find the links");
	return f ? fault_links(f, t, put_link, ret) : 0;
}

/* The fault is in the list now, or is not any more. */
static int renew_fault(struct lab *lab, const struct fault *f, bool check, struct choppy_err *err)
{
	struct link_set s;
	int r = links_of(lab, f, &s, err);

	if (r == 0 && check)
		r = renew_all(lab, &s, false, err);
	if (r == 0)
		r = renew_all(lab, &s, true, err);
	if (r == 0 && f->uplink)
		r = lab_renew_uplink(lab, err);
	free(s.in);
	return r;
}

/* ------------------------------------------------------------------- pause */

static int each_node(struct lab *lab, const struct node_list *l,
		     int (*what)(struct lab *lab, uint32_t node, struct choppy_err *err),
		     struct choppy_err *err)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < l->n; i++)
		r = what(lab, l->v[i], err);
	return r;
}

static int stop(struct lab *lab, uint32_t node, struct choppy_err *err)
{
	return net_node_signal(lab, node, SIGSTOP, err);
}

/* Unless another pause still holds it. */
static int go_on(struct lab *lab, uint32_t node, struct choppy_err *err)
{
	return faults_node(&lab->net.faults, VERB_PAUSE, node)
		       ? 0
		       : net_node_signal(lab, node, SIGCONT, err);
}

static int start_again(struct lab *lab, uint32_t node, struct choppy_err *err)
{
	const struct net_program *p = net_program_of(lab, node);

	return faults_node(&lab->net.faults, VERB_KILL, node) || !p || p->pid
		       ? 0
		       : net_program_start(lab, node, err);
}

static int restart(struct lab *lab, uint32_t node, struct choppy_err *err)
{
	int r = net_program_kill(lab, node, err);

	return r < 0 || !net_program_of(lab, node) ? r : net_program_start(lab, node, err);
}

/* What its end is for its nodes. */
static int undo_nodes(struct lab *lab, const struct fault *f, struct choppy_err *err)
{
	return each_node(lab, &f->nodes, f->verb == VERB_PAUSE ? go_on : start_again, err);
}

/* -------------------------------------------------------------- new faults */

static void say(FILE *done, const struct lab *lab, const struct fault *f)
{
	int n = fault_print(NULL, 0, f, topology_of(lab)) + 1;
	CLEANUP_FREE char *text = malloc((size_t)n);

	if (!done || !text)
		return;
	fault_print(text, (size_t)n, f, topology_of(lab));
	fprintf(done, "%s\n", text);
}

/* Put @f, which is given away, in force. */
static int bring_about(struct lab *lab, struct fault *f, uint64_t *ret_id, FILE *done,
		       struct choppy_err *err)
{
	uint64_t id = faults_add(&lab->net.faults, f);
	struct fault *own = faults_find(&lab->net.faults, id);
	int r = 0;

	if (!own) {
		cuts_free(f->cuts, f->ncuts);
		free(f->ways);
		free(f->change);
		node_list_free(&f->nodes);
		return err_sys(err, -ENOMEM, "do that");
	}
	if (own->verb == VERB_PAUSE)
		r = each_node(lab, &own->nodes, stop, err);
	else if (own->verb == VERB_KILL)
		r = each_node(lab, &own->nodes, net_program_kill, err);
	else
		r = renew_fault(lab, own, true, err);
	if (r < 0) {
		own = faults_take(&lab->net.faults, id);
		if (own->verb == VERB_PAUSE)
			undo_nodes(lab, own, NULL);
		else
			renew_fault(lab, own, false, NULL);
		fault_free(own);
		return r;
	}
	*ret_id = id;
	say(done, lab, own);
	return 0;
}

/* Out of the list, and out of force. */
static int take_back(struct lab *lab, uint64_t id, struct choppy_err *err)
{
	struct fault *f = faults_take(&lab->net.faults, id);
	int r = 0;

	if (!f)
		return 0;
	if (f->nodes.n)
		r = undo_nodes(lab, f, err);
	else
		r = renew_fault(lab, f, false, err);
	fault_free(f);
	return r;
}

int act_end(struct lab *lab, uint64_t fault, struct choppy_err *err)
{
	return take_back(lab, fault, err);
}

/* All of these verbs, whoever has brought them about. */
static int take_back_all(struct lab *lab, unsigned int verb_bits, bool lasting_only,
			 struct choppy_err *err)
{
	struct fault *next;
	int r = 0;

	for (struct fault *f = lab->net.faults.first; r == 0 && f; f = next) {
		next = f->next;
		if ((verb_bits & (1u << f->verb)) && (f->lasting || !lasting_only))
			r = take_back(lab, f->id, err);
	}
	return r;
}

static struct way *copy_ways(const struct action *a)
{
	struct way *ways = malloc((a->nways + 1) * sizeof(*ways));

	if (ways && a->nways)
		memcpy(ways, a->ways, a->nways * sizeof(*ways));
	return ways;
}

/* ----------------------------------------------------------------- actions */

struct doing {
	struct lab *lab;
	const struct action *a;
	struct rng *rng;
	bool lasting;
	uint64_t *ret_fault;
	FILE *done;
	struct choppy_err *err;
};

static int do_cut(struct doing *d)
{
	struct fault f = { .verb = d->a->verb, .lasting = d->lasting };
	int r;

	/* A network is divided in one way at a time. */
	if (d->a->verb == VERB_PARTITION && d->lasting) {
		r = take_back_all(d->lab, 1u << VERB_PARTITION, true, d->err);
		if (r < 0)
			return r;
	}
	r = action_cuts(d->a, d->rng, &f.cuts, &f.ncuts);
	if (r < 0)
		return err_sys(d->err, r, "find who is cut off");
	return bring_about(d->lab, &f, d->ret_fault, d->done, d->err);
}

/* The conditions of links, for good. @new: by way. */
static int set_base(struct doing *d, struct link_condition **new, const struct link_set *s)
{
	struct link_condition **changed = d->lab->net.changed;
	int r;

	for (int turn = 0; turn < 2; turn++) {
		for (uint32_t i = 0; i < d->a->nways; i++) {
			struct link_condition *before = changed[d->a->ways[i].link];

			changed[d->a->ways[i].link] = new[i];
			new[i] = before;
		}
		if (turn == 1)
			break;
		r = renew_all(d->lab, s, false, d->err);
		if (r == 0)
			r = renew_all(d->lab, s, true, d->err);
		if (r == 0)
			return 0;
	}
	return r;
}

static int change_of(struct doing *d, const struct way *way, struct link_condition **ret)
{
	struct link_condition **changed = d->lab->net.changed, *c = calloc(1, sizeof(*c));
	CLEANUP_FREE struct choppy_change *change = malloc(sizeof(*change));
	const struct link_condition *now = changed[way->link];

	*ret = c;
	if (!c || !change)
		return err_sys(d->err, -ENOMEM, "change a link");
	if (!now)
		now = d->lab->net.plan->file->conditions[way->link];
	if (now)
		*c = *now;
	way_change(way, d->a->change, change);
	choppy_change_apply(c->dir, change);
	return choppy_rules_merge(&c->rules, change, d->err);
}

static int do_set_for_good(struct doing *d)
{
	const struct topology *t = topology_of(d->lab);
	uint32_t n = d->a->nways;
	CLEANUP_FREE struct link_condition **new = calloc(n, sizeof(*new));
	struct link_set s = { 0 };
	int r = 0;

	if (!d->lab->net.changed)
		d->lab->net.changed = calloc(t->nlinks + 1, sizeof(*d->lab->net.changed));
	if (!new || !d->lab->net.changed)
		return err_sys(d->err, -ENOMEM, "change a link");
	r = links_of(d->lab, NULL, &s, d->err);
	for (uint32_t i = 0; r == 0 && i < n; i++) {
		put_link(d->a->ways[i].link, &s);
		r = change_of(d, &d->a->ways[i], &new[i]);
	}
	if (r == 0)
		r = set_base(d, new, &s);
	/* What was in force before, or what is not to be. */
	for (uint32_t i = 0; i < n; i++)
		free(new[i]);
	free(s.in);
	for (uint32_t i = 0; r == 0 && d->done && i < n; i++)
		fprintf(d->done, "set %s\n", t->links[d->a->ways[i].link].name);
	return r;
}

static int do_set(struct doing *d)
{
	struct fault f = { .verb = d->a->verb, .nways = d->a->nways };

	if (d->lasting)
		return do_set_for_good(d);
	f.ways = copy_ways(d->a);
	f.change = malloc(sizeof(*f.change));
	if (!f.ways || !f.change) {
		free(f.ways);
		free(f.change);
		return err_sys(d->err, -ENOMEM, "change a link");
	}
	*f.change = *d->a->change;
	return bring_about(d->lab, &f, d->ret_fault, d->done, d->err);
}

static int do_heal(struct doing *d)
{
	int r = take_back_all(d->lab, 1u << VERB_CUT | 1u << VERB_PARTITION | 1u << VERB_LINK,
			      false, d->err);

	if (r == 0 && d->done)
		fprintf(d->done, "heal\n");
	return r;
}

/* Whether @f is that link's, which a fault of a link is always alone. */
static bool is_of_link(const struct fault *f, const struct action *a)
{
	return f->verb == VERB_LINK &&
	       (a->uplink ? f->uplink : !f->uplink && f->ways[0].link == a->ways[0].link);
}

static int do_link(struct doing *d)
{
	struct fault f = { .verb = VERB_LINK,
			   .lasting = d->lasting,
			   .uplink = d->a->uplink,
			   .nways = d->a->nways };
	struct fault *next;
	int r = 0;

	if (d->a->uplink && !has_link(d->lab))
		return err_set(d->err, -ENOENT, "%s has no uplink", d->lab->spec->name);
	if (!d->a->on) {
		f.ways = copy_ways(d->a);
		if (!f.ways)
			return err_sys(d->err, -ENOMEM, "turn a link off");
		return bring_about(d->lab, &f, d->ret_fault, d->done, d->err);
	}
	for (struct fault *at = d->lab->net.faults.first; r == 0 && at; at = next) {
		next = at->next;
		if (is_of_link(at, d->a))
			r = take_back(d->lab, at->id, d->err);
	}
	if (r == 0 && d->done)
		fprintf(d->done, "link %s on\n",
			d->a->uplink ? "uplink"
				     : topology_of(d->lab)->links[d->a->ways[0].link].name);
	return r;
}

/* The node is in no pause any more. */
static int resume(struct lab *lab, uint32_t node, struct choppy_err *err)
{
	for (struct fault *f = lab->net.faults.first, *next; f; f = next) {
		struct node_list *l = &f->nodes;

		next = f->next;
		if (f->verb != VERB_PAUSE)
			continue;
		for (uint32_t i = 0; i < l->n; i++)
			if (l->v[i] == node)
				l->v[i--] = l->v[--l->n];
		if (!l->n)
			fault_free(faults_take(&lab->net.faults, f->id));
	}
	return go_on(lab, node, err);
}

static void say_nodes(struct doing *d, const struct node_list *l)
{
	if (!d->done)
		return;
	fprintf(d->done, "%s", verbs[d->a->verb].name);
	for (uint32_t i = 0; i < l->n; i++)
		fprintf(d->done, " %s", topology_of(d->lab)->nodes[l->v[i]].name);
	fputc('\n', d->done);
}

/* What lasts of a pause, or of what a timeline will take back. */
static int do_fault_of_nodes(struct doing *d, struct node_list *l)
{
	struct fault f = { .verb = d->a->verb, .lasting = d->lasting, .nodes = *l };

	*l = (struct node_list){ 0 };
	return bring_about(d->lab, &f, d->ret_fault, d->done, d->err);
}

static int run_on(struct lab *lab, const struct node_list *l, const char *command,
		  struct choppy_err *err)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < l->n; i++)
		r = net_program_run(lab, l->v[i], command, err);
	return r;
}

static int do_nodes(struct doing *d)
{
	static int (*const each[VERB_NVERBS])(struct lab * lab, uint32_t node,
					      struct choppy_err * err) = {
		[VERB_RESUME] = resume,
		[VERB_KILL] = net_program_kill,
		[VERB_START] = net_program_start,
		[VERB_RESTART] = restart,
	};
	enum verb verb = d->a->verb;
	struct node_list l;
	int r = action_nodes(d->a, d->rng, &l);

	if (r < 0)
		return err_sys(d->err, r, "find the nodes");
	if (verb == VERB_PAUSE || (verb == VERB_KILL && !d->lasting)) {
		r = do_fault_of_nodes(d, &l);
	} else {
		r = verb == VERB_RUN ? run_on(d->lab, &l, d->a->text, d->err)
				     : each_node(d->lab, &l, each[verb], d->err);
		if (r == 0)
			say_nodes(d, &l);
	}
	node_list_free(&l);
	return r;
}

static int do_mark(struct doing *d)
{
	int r = play_mark(d->lab->net.play, d->a->text, d->err);

	if (r == 0 && d->done)
		fprintf(d->done, "mark %s\n", d->a->text);
	return r;
}

int act_ramp(struct lab *lab, const struct action *a, uint64_t fault, uint64_t elapsed_ns,
	     uint64_t over_ns, struct choppy_err *err)
{
	CLEANUP_FREE struct choppy_change *change = malloc(sizeof(*change));
	struct fault *f = fault ? faults_find(&lab->net.faults, fault) : NULL;
	struct action now = *a;

	if (!change)
		return err_sys(err, -ENOMEM, "change a link");
	action_ramp(a, elapsed_ns, over_ns, change);
	if (f) {
		*f->change = *change;
		return renew_fault(lab, f, false, err);
	}
	now.change = change;
	return fault ? 0 : do_set_for_good(&(struct doing){ .lab = lab, .a = &now, .err = err });
}

int act_do(struct lab *lab, const struct action *a, struct rng *rng, bool lasting,
	   uint64_t *ret_fault, FILE *done, struct choppy_err *err)
{
	static int (*const all[VERB_NVERBS])(struct doing * d) = {
		[VERB_SET] = do_set,	   [VERB_CUT] = do_cut,	   [VERB_PARTITION] = do_cut,
		[VERB_HEAL] = do_heal,	   [VERB_LINK] = do_link,  [VERB_PAUSE] = do_nodes,
		[VERB_RESUME] = do_nodes,  [VERB_KILL] = do_nodes, [VERB_START] = do_nodes,
		[VERB_RESTART] = do_nodes, [VERB_RUN] = do_nodes,  [VERB_RAMP] = do_set,
		[VERB_MARK] = do_mark,
	};
	uint64_t ignored;
	struct doing d = { .lab = lab,
			   .a = a,
			   .rng = rng,
			   .lasting = lasting,
			   .ret_fault = ret_fault ? ret_fault : &ignored,
			   .done = done,
			   .err = err };

	*d.ret_fault = 0;
	return all[a->verb](&d);
}

int act(struct lab *lab, int n, const char *const *words, FILE *done, struct choppy_err *err)
{
	const struct rng_key key = { .seed = lab->spec->seed, .purpose = "action" };
	struct action a;
	int r;

	if (!lab->net.plan)
		return err_set(err, -EOPNOTSUPP,
			       "%s is one node and its link: 'choppy set' changes that",
			       lab->spec->name);
	if (!lab->net.chance.s[0] && !lab->net.chance.s[1])
		rng_init(&lab->net.chance, &key);
	r = action_parse(&a, topology_of(lab), n, words, err);
	if (r < 0)
		return r;
	if (a.verb == VERB_RUN || a.verb == VERB_RAMP)
		r = err_set(err, -EINVAL, "'%s' is for timelines only", verbs[a.verb].name);
	else
		r = act_do(lab, &a, &lab->net.chance, true, NULL, done, err);
	action_free(&a);
	return r;
}

void act_free(struct lab *lab)
{
	for (uint32_t i = 0; lab->net.changed && i < topology_of(lab)->nlinks; i++)
		free(lab->net.changed[i]);
	free(lab->net.changed);
	lab->net.changed = NULL;
	faults_free(&lab->net.faults);
}
