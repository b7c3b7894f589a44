/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lab.c - the public functions that make, change, show, enter and end labs. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "compile.h"
#include "cut.h"
#include "enter.h"
#include "err.h"
#include "fields.h"
#include "internal.h"
#include "lab_json.h"
#include "ns.h"
#include "util.h"
#include "value.h"
#include "verdict.h"

#define CALL_TRIES 400 /* two seconds */

/* ------------------------------------------------------------------ checks */

int choppy_name_check(const char *name, struct choppy_err *err)
{
	size_t n = strlen(name);

	if (n == 0)
		return err_set(err, -EINVAL,
			       "the name is empty: use letters, digits, '-', '_', '.'");
	if (n > CHOPPY_NAME_MAX)
		return err_set(err, -EINVAL, "the name has %zu characters: %d are allowed", n,
			       CHOPPY_NAME_MAX);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)name[i];
		bool word = c < 128 && isalnum(c);

		if (!word && (i == 0 || !strchr("-_.", c)))
			return err_set(err, -EINVAL,
				       "name '%s': use letters, digits, and behind the first '-', "
				       "'_', '.'",
				       name);
	}
	return 0;
}

static int check_dev(const char *dev, struct choppy_err *err)
{
	/* "all" and "default" are directories beside the devices' in /proc/sys/net. */
	static const char *const taken[] = { ".", "..", "lo", "all", "default" };
	size_t n = strlen(dev);

	if (n == 0 || n >= IFNAMSIZ)
		return err_set(err, -EINVAL, "device name '%s' must have 1 to %d characters", dev,
			       IFNAMSIZ - 1);
	for (size_t i = 0; i < n; i++) {
		if (dev[i] == '/' || dev[i] == ':' || dev[i] == '%' ||
		    isspace((unsigned char)dev[i]) || !isgraph((unsigned char)dev[i]))
			return err_set(err, -EINVAL,
				       "device name '%s' may not hold '/', ':', '%%' or spaces",
				       dev);
	}
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
		if (strcmp(dev, taken[i]) == 0)
			return err_set(err, -EINVAL, "device name '%s' is taken", dev);
	}
	return 0;
}

static int check_publish(const struct choppy_spec *spec, struct choppy_err *err)
{
	for (int i = 0; i < spec->npublish; i++) {
		for (int j = 0; j < i; j++) {
			if (spec->publish[i].host_port == spec->publish[j].host_port)
				return err_set(err, -EINVAL, "port %u is published twice",
					       spec->publish[i].host_port);
		}
	}
	return 0;
}

static int check_rules(const struct choppy_condition dir[CHOPPY_NDIRS],
		       const struct choppy_rules *rules, enum choppy_backend backend,
		       struct choppy_err *err)
{
	if (rules->n && backend != CHOPPY_ENGINE)
		return err_set(err, -EOPNOTSUPP,
			       "%s cannot match packets; the engine can (--backend engine)",
			       choppy_backend_name(backend));
	return choppy_rules_check(rules, dir, err);
}

static int check_conditions(const struct choppy_condition dir[CHOPPY_NDIRS],
			    const struct choppy_rules *rules, enum choppy_backend backend,
			    char note[BACKEND_NOTE_MAX], struct choppy_err *err)
{
	char one[CHOPPY_NDIRS][BACKEND_NOTE_MAX];
	struct text t = text_begin(note, BACKEND_NOTE_MAX);
	bool same;

	for (int d = 0; d < CHOPPY_NDIRS; d++) {
		int r = choppy_condition_check(&dir[d], dir_words[d], err);

		if (r == 0)
			r = backend_check(backend_get(backend), &dir[d], one[d], err);
		if (r < 0)
			return r;
	}
	same = strcmp(one[CHOPPY_UP], one[CHOPPY_DOWN]) == 0;
	if (same)
		text_add(&t, "%s", one[CHOPPY_UP]);
	for (int d = 0; !same && d < CHOPPY_NDIRS; d++)
		if (one[d][0])
			text_add(&t, "%s%s: %s", t.len ? "; " : "", dir_words[d], one[d]);
	return check_rules(dir, rules, backend, err);
}

/* The engine's plan for conditions that stand; only checked where @ret_fd is NULL. */
static int plan_for(const struct choppy_spec *spec, const struct choppy_condition *dir,
		    const struct choppy_rules *rules, bool off, int *ret_fd, uint64_t *ret_size,
		    struct choppy_err *err)
{
	struct match_insn every = cut_all;
	const struct compile_cut all[] = {
		{ .insns = &every, .ninsns = 1, .dir = CHOPPY_UP, .reject = -1 },
		{ .insns = &every, .ninsns = 1, .dir = CHOPPY_DOWN, .reject = -1 },
	};
	const struct compile_input in = {
		.dir = dir,
		.rules = rules,
		.replay = spec->replay,
		.replay_by_flow = spec->replay_by_flow,
		.cuts = all,
		.ncuts = off ? ARRAY_SIZE(all) : 0,
	};

	return compile_plan(&in, ret_fd, ret_size, err);
}

/* Options that only the engine has. */
static int check_engine_options(const struct choppy_spec *spec, struct choppy_err *err)
{
	const char *what = spec->verdicts[0]	   ? "write verdicts"
			   : spec->replay[0]	   ? "replay verdicts"
			   : spec->max_lateness_ns ? "tell how late its packets are"
						   : NULL;

	if (spec->super_packets && spec->backend != CHOPPY_NETEM)
		return err_set(
			err, -EINVAL,
			"the engine takes super-packets always, and judges each of their wire "
			"packets: leave --super-packets out");
	if (what && spec->backend != CHOPPY_ENGINE)
		return err_set(err, -EOPNOTSUPP, "%s cannot %s; the engine can (--backend engine)",
			       choppy_backend_name(spec->backend), what);
	if (spec->verdicts[0] && strcmp(spec->verdicts, spec->replay) == 0)
		return err_set(err, -EINVAL, "%s cannot be written and replayed at once",
			       spec->verdicts);
	if (spec->replay_by_flow && !spec->replay[0])
		return err_set(err, -EINVAL, "there is nothing to replay by flow: name the file");
	return 0;
}

/* A file's name that holds in any directory. */
static int make_absolute(char path[CHOPPY_PATH_MAX], struct choppy_err *err)
{
	char cwd[PATH_MAX], full[PATH_MAX + CHOPPY_PATH_MAX];

	if (!path[0] || path[0] == '/')
		return 0;
	if (!getcwd(cwd, sizeof(cwd)))
		return err_sys(err, -errno, "find the current directory");
	snprintf(full, sizeof(full), "%s/%s", cwd, path);
	if (strlen(full) >= CHOPPY_PATH_MAX)
		return err_set(err, -ENAMETOOLONG, "%s: the whole name has more than %d characters",
			       full, CHOPPY_PATH_MAX - 1);
	strcpy(path, full);
	return 0;
}

int choppy_spec_check(struct choppy_spec *spec, struct choppy_err *err)
{
	struct addr_pair pair;
	struct user user;
	char note[BACKEND_NOTE_MAX];
	CLEANUP_HOME home = HOME_INIT;
	int r;

	if (!spec->name[0])
		snprintf(spec->name, sizeof(spec->name), "run-%d", getpid());
	if (!spec->dev[0])
		snprintf(spec->dev, sizeof(spec->dev), "eth0");
	r = choppy_name_check(spec->name, err);
	if (r == 0)
		r = check_dev(spec->dev, err);
	if (r == 0 && spec->addr[0])
		r = addr_from_text(&pair, spec->addr, err);
	if (r == 0)
		r = check_publish(spec, err);
	if (r == 0)
		r = check_conditions(spec->dir, &spec->rules, spec->backend, note, err);
	if (r == 0)
		r = check_engine_options(spec, err);
	if (r == 0)
		r = make_absolute(spec->verdicts, err);
	if (r == 0)
		r = make_absolute(spec->replay, err);
	if (r == 0)
		r = plan_for(spec, spec->dir, &spec->rules, false, NULL, NULL, err);
	if (r == 0)
		r = user_find(&user, spec->user, err);
	if (r == 0 && spec->user[0] && spec->map_root)
		r = err_set(err, -EINVAL, "the program is either root or %s", spec->user);
	if (r == 0)
		r = home_find(&home, err);
	if (r < 0)
		return r;
	if (spec->allow_host && spec->uplink == CHOPPY_UPLINK_NONE)
		return err_set(err, -EINVAL,
			       "with the uplink none no way leads to the host: leave --allow-host "
			       "out, or --uplink none");
	if (spec->uplink == CHOPPY_UPLINK_AUTO)
		spec->uplink = home.own ? CHOPPY_UPLINK_RELAY : CHOPPY_UPLINK_NAT;
	if (!spec->seed_given && !spec->seed &&
	    getrandom(&spec->seed, sizeof(spec->seed), 0) != sizeof(spec->seed))
		return err_sys(err, -errno, "draw a seed");
	return 0;
}

static int foreign(const char *name, struct choppy_err *err)
{
	return err_set(err, -EEXIST, "%s exists and was not made by choppy; nothing changed", name);
}

static int check_absent(struct home *home, const char *name, struct choppy_err *err)
{
	if (home->fd >= 0 && state_alive(home, name, NULL))
		return err_set(err, -EEXIST, "%s is running already", name);
	if (home->own || netns_lookup(name) != NETNS_MOUNTED)
		return 0;
	if (home->fd >= 0) {
		CLEANUP_FD lock = state_lock(home, err);

		if (lock < 0)
			return lock;
		/* It may be what a dead keeper left under this name. */
		state_reap(home, name, 0, false, NULL, NULL, NULL);
		state_prune(home);
	}
	return netns_lookup(name) == NETNS_MOUNTED ? foreign(name, err) : 0;
}

static int is_dead(struct home *home, const char *name, void *ctx)
{
	return state_alive(home, name, NULL) ? 0 : -ECHILD;
}

/* Undo what keepers left that were killed together with their undertakers. */
static void clear_up(struct home *home)
{
	CLEANUP_FD lock = -1;

	if (home->fd < 0 || state_each(home, is_dead, NULL) == 0)
		return;
	lock = state_lock(home, NULL);
	if (lock < 0)
		return;
	state_reap_dead(home);
	state_prune(home);
}

/* The home of a living lab, or why there is none. */
static int find_lab(struct home *home, const char *name, struct choppy_err *err)
{
	int r = choppy_name_check(name, err);

	home_close(home);
	if (r == 0)
		r = home_find(home, err);
	if (r < 0)
		return r;
	clear_up(home);
	if (home->fd >= 0 && state_alive(home, name, NULL))
		return 0;
	if (!home->own && netns_lookup(name) == NETNS_MOUNTED)
		return foreign(name, err);
	for (int place = 0; home_next(home, &place);)
		if (state_alive(home, name, NULL))
			return 0;
	return err_set(err, -ENOENT, "there is no lab '%s'", name);
}

/* --------------------------------------------------------------- the lab */

void lab_note(struct lab *lab, bool tell, const char *fmt, ...)
{
	char text[CHOPPY_NOTE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (lab->nnotes < CHOPPY_NOTES_MAX)
		memcpy(lab->notes[lab->nnotes++], text, sizeof(text));
	if (tell && lab->spec->note)
		lab->spec->note(lab->spec->note_ctx, text);
}

struct link_end lab_end(const struct lab *lab, enum choppy_dir d)
{
	if (d == CHOPPY_UP)
		return (struct link_end){ .nl = lab->node,
					  .ifindex = NODE_IFINDEX,
					  .dev = lab->spec->dev };
	return (struct link_end){ .nl = lab->gateway,
				  .ifindex = lab->host_ifindex,
				  .dev = lab->host_dev };
}

static void describe_note(struct choppy_lab *ret, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* A remark on the state of the moment. */
static void describe_note(struct choppy_lab *ret, const char *fmt, ...)
{
	va_list ap;

	if (ret->nnotes == CHOPPY_NOTES_MAX)
		return;
	ret->nnotes_now++;
	va_start(ap, fmt);
	vsnprintf(ret->notes[ret->nnotes++], CHOPPY_NOTE_MAX, fmt, ap);
	va_end(ap);
}

/* Where what is told of verdicts cannot be relied on, the lab says so. */
static void note_verdicts(struct choppy_lab *ret, const struct lab *lab,
			  const struct remote_counters *c)
{
	if (c->log_error)
		describe_note(ret, "%s is cut short: %s; %llu verdicts are not in it",
			      lab->spec->verdicts, strerror(-c->log_error),
			      (unsigned long long)c->log_lost);
	if (c->flows_missed)
		describe_note(ret, "%llu packets are of more flows than the %d that are numbered",
			      (unsigned long long)c->flows_missed, FLOWS_MAX);
}

static int read_engine(struct lab *lab, struct choppy_lab *ret, struct choppy_err *err)
{
	struct remote_counters c;
	int r = remote_counters(&lab->remote, 0, &c, err);

	if (r < 0)
		return r;
	memcpy(ret->counters, c.dir, sizeof(ret->counters));
	for (int d = 0; d < CHOPPY_NDIRS; d++) {
		uint32_t n =
			faults_uplink_off(&lab->net.faults); /* a cut stands before the rules */

		for (uint32_t i = 0; i < lab->rules.n; i++)
			if (lab->rules.rule[i].dirs & CHOPPY_DIR_BIT(d))
				ret->matched[d][i] = c.matched[d][n++];
	}
	note_verdicts(ret, lab, &c);
	lab->log_error = c.log_error;
	return 0;
}

static void read_netem(struct lab *lab, struct choppy_lab *ret)
{
	ret->seeded = true;
	if (lab->backend_note[0])
		describe_note(ret, "%s", lab->backend_note);
	for (int d = 0; d < CHOPPY_NDIRS; d++) {
		const struct netem_end *e = &lab->netem[d];
		struct link_end end = lab_end(lab, d);
		struct choppy_err gone = { 0 };
		struct netem_reading reading;
		int r;

		if (!e->made)
			continue;
		r = netem_read(&end, e, &lab->dir[d], &reading, &gone);
		if (r < 0) { /* somebody's doing, and no reason not to tell the rest */
			describe_note(ret, "%s", gone.msg);
			continue;
		}
		ret->counters[d] = reading.counters;
		ret->seeded &= netem_has_seed(e);
		netem_tc_print(ret->tc[d], sizeof(ret->tc[d]), &reading.v, &lab->dir[d]);
		if (e->rounded[0])
			describe_note(ret, "%s", e->rounded);
		if (reading.changed)
			describe_note(
				ret,
				"somebody has changed netem's %s on %s: choppy set puts it back",
				reading.changed, end.dev);
	}
}

void lab_device_drops(const struct lab *lab, enum choppy_dir d, struct device_drops *ret)
{
	/* Through which of the engine's devices a direction leaves it. */
	static const char *const engine_devs[CHOPPY_NDIRS] = { "gateway", "node" };
	struct link_end e = lab_end(lab, d);
	struct link_info info;

	*ret = (struct device_drops){ 0 };
	if (link_get(e.nl, e.dev, &info, NULL) == 0)
		ret->receive = info.tx_dropped;
	if (link_get(lab->engine, engine_devs[d], &info, NULL) == 0)
		ret->send = info.tx_dropped;
}

static int read_counters(struct lab *lab, struct choppy_lab *ret, struct choppy_err *err)
{
	int r;

	if (lab->spec->backend == CHOPPY_NETEM) {
		read_netem(lab, ret);
		return 0;
	}
	r = read_engine(lab, ret, err);
	for (int d = 0; r == 0 && d < CHOPPY_NDIRS; d++) {
		const struct device_drops *before = &lab->drops_before[d];
		struct device_drops now;

		lab_device_drops(lab, d, &now);
		ret->counters[d].dropped[CHOPPY_DROP_RECEIVE] += now.receive - before->receive;
		ret->counters[d].dropped[CHOPPY_DROP_SEND] += now.send - before->send;
	}
	return r;
}

static void describe_faults(const struct lab *lab, struct choppy_lab *ret)
{
	const struct topology *t = &lab->net.plan->file->t;
	size_t at = 0;

	for (const struct fault *f = lab->net.faults.first; f; f = f->next) {
		int n = fault_print(NULL, 0, f, t);

		/* Room for what says that there are more. */
		if (at + (size_t)n + 32 > sizeof(ret->faults)) {
			snprintf(ret->faults + at, sizeof(ret->faults) - at, "%sand more",
				 at ? "\n" : "");
			return;
		}
		if (at)
			ret->faults[at++] = '\n';
		fault_print(ret->faults + at, sizeof(ret->faults) - at, f, t);
		at += (size_t)n;
	}
}

int lab_describe_link(struct lab *lab, uint32_t link, struct choppy_lab *ret,
		      struct choppy_err *err)
{
	const struct topology *t = &lab->net.plan->file->t;
	CLEANUP_FREE struct link_condition *c = malloc(sizeof(*c));
	struct remote_counters counters;
	struct compile_cut cuts[LINK_CUTS_MAX] = { 0 };
	uint32_t ncuts = 0;
	int r = c ? net_link_condition(lab, link, c, err) : err_sys(err, -ENOMEM, "look at a link");

	if (r == 0)
		r = remote_counters(&lab->remote, net_engine_link(link), &counters, err);
	if (r == 0)
		r = faults_cuts(&lab->net.faults, t, link, cuts, &ncuts, err);
	for (uint32_t i = 0; i < ncuts; i++)
		free(cuts[i].insns);
	if (r < 0)
		return r;
	snprintf(ret->link, sizeof(ret->link), "%s", t->links[link].name);
	for (uint32_t i = 0; i < 2; i++)
		snprintf(ret->ends[i], sizeof(ret->ends[i]), "%s",
			 t->nodes[t->ports[2 * link + i].node].name);
	memcpy(ret->dir, c->dir, sizeof(ret->dir));
	ret->rules = c->rules;
	memcpy(ret->counters, counters.dir, sizeof(ret->counters));
	for (int d = 0; d < CHOPPY_NDIRS; d++) {
		uint32_t n = 0;

		for (uint32_t i = 0; i < ncuts; i++)
			n += cuts[i].dir == (enum choppy_dir)d;
		for (uint32_t i = 0; i < c->rules.n; i++)
			if (c->rules.rule[i].dirs & CHOPPY_DIR_BIT(d))
				ret->matched[d][i] = counters.matched[d][n++];
	}
	return 0;
}

int lab_describe(struct lab *lab, struct choppy_lab *ret, struct choppy_err *err)
{
	const struct inet *ends4[2] = { &lab->v4.gateway, &lab->v4.node };
	const struct inet *ends6[2] = { &lab->v6.gateway, &lab->v6.node };
	struct link_end node = lab_end(lab, CHOPPY_UP);

	memset(ret, 0, sizeof(*ret));
	snprintf(ret->name, sizeof(ret->name), "%s", lab->spec->name);
	ret->permanent = lab->permanent;
	ret->rootless = lab->home.own;
	ret->own_gateway = has_own_gateway(lab);
	ret->map_root = lab->spec->map_root;
	ret->keeper = getpid();
	ret->init = lab->init.pid;
	snprintf(ret->dev, sizeof(ret->dev), "%s", lab->spec->dev);
	snprintf(ret->host_dev, sizeof(ret->host_dev), "%s", lab->host_dev);
	for (int i = 0; i < 2; i++) {
		inet_print(ret->addr4[i], sizeof(ret->addr4[i]), ends4[i], true);
		inet_print(ret->addr6[i], sizeof(ret->addr6[i]), ends6[i], true);
	}
	ret->backend = lab->spec->backend;
	ret->uplink = lab->spec->uplink;
	ret->seed = lab->spec->seed;
	ret->seeded = lab->spec->backend == CHOPPY_ENGINE;
	snprintf(ret->congestion, sizeof(ret->congestion), "%s", lab->congestion);
	memcpy(ret->publish, lab->spec->publish, sizeof(ret->publish));
	ret->npublish = lab->spec->npublish;
	memcpy(ret->dir, lab->dir, sizeof(ret->dir));
	ret->rules = lab->rules;
	memcpy(ret->notes, lab->notes, sizeof(ret->notes));
	ret->nnotes = lab->nnotes;
	if (lab->net.plan)
		choppy_file_size(lab->net.plan, &ret->nodes, &ret->links);
	if (lab->net.plan)
		describe_faults(lab, ret);
	if (!has_link(lab)) {
		ret->dev[0] = ret->host_dev[0] = '\0';
		return 0;
	}
	if (lab->node)
		qdisc_foreign(&node, ret->foreign_qdisc, NULL);
	return lab->remote.pid > 0 || lab->spec->backend == CHOPPY_NETEM
		       ? read_counters(lab, ret, err)
		       : 0;
}

int lab_apply_netem(struct lab *lab, const struct choppy_condition dir[CHOPPY_NDIRS],
		    struct choppy_err *err)
{
	struct netem_change change[CHOPPY_NDIRS];
	struct netem_end new[CHOPPY_NDIRS];
	struct link_end end[CHOPPY_NDIRS];
	int d, ready, r = 0;

	memcpy(new, lab->netem, sizeof(new));
	for (ready = 0; r == 0 && ready < CHOPPY_NDIRS; ready += r == 0) {
		end[ready] = lab_end(lab, ready);
		r = netem_prepare(&end[ready], &new[ready], &dir[ready],
				  rng_next(&lab->netem_seeds[ready]), &change[ready], err);
	}
	for (d = 0; r == 0 && d < CHOPPY_NDIRS; d++)
		r = netem_commit(&end[d], &new[d], &dir[d], &change[d], err);
	if (r == 0) {
		memcpy(lab->netem, new, sizeof(new));
		return 0;
	}
	for (int i = d; i < ready; i++)
		netem_change_free(&change[i]);
	/* What was sent may be in force although it was refused on reading back. */
	while (--d >= 0) {
		struct netem_end *old = &lab->netem[d];

		if (!old->made)
			continue;
		if (netem_apply(&end[d], &new[d], &lab->dir[d], old->sent.seed, NULL) < 0)
			new[d].sent = old->sent; /* show tells what is in force instead */
		new[d].judged = old->judged;
		new[d].lost = old->lost;
		*old = new[d];
	}
	return r;
}

static int apply_engine(struct lab *lab, const struct choppy_condition dir[CHOPPY_NDIRS],
			const struct choppy_rules *rules, struct choppy_err *err)
{
	CLEANUP_FD plan = -1;
	uint64_t size;
	int r = plan_for(lab->spec, dir, rules, faults_uplink_off(&lab->net.faults), &plan, &size,
			 err);

	return r < 0 ? r : remote_set(&lab->remote, 0, plan, size, err);
}

int lab_renew_uplink(struct lab *lab, struct choppy_err *err)
{
	return apply_engine(lab, lab->dir, &lab->rules, err);
}

int lab_check_conditions(const struct choppy_condition dir[CHOPPY_NDIRS],
			 const struct choppy_rules *rules, struct choppy_err *err)
{
	char note[BACKEND_NOTE_MAX];

	return check_conditions(dir, rules, CHOPPY_ENGINE, note, err);
}

int lab_change(struct lab *lab, const struct choppy_change *change, struct choppy_err *err)
{
	struct choppy_condition dir[CHOPPY_NDIRS];
	struct choppy_rules rules = lab->rules;
	char note[BACKEND_NOTE_MAX];
	int r;

	if (!has_link(lab))
		return err_set(
			err, -EOPNOTSUPP,
			"%s has no uplink, and the conditions of its links are those of its file",
			lab->spec->name);
	memcpy(dir, lab->dir, sizeof(dir));
	choppy_change_apply(dir, change);
	r = choppy_rules_merge(&rules, change, err);
	if (r == 0)
		r = check_conditions(dir, &rules, lab->spec->backend, note, err);
	if (r == 0)
		r = lab->spec->backend == CHOPPY_ENGINE ? apply_engine(lab, dir, &rules, err)
							: lab_apply_netem(lab, dir, err);
	if (r < 0)
		return r;
	memcpy(lab->backend_note, note, sizeof(note));
	memcpy(lab->dir, dir, sizeof(dir));
	lab->rules = rules;
	return 0;
}

static void name_host_dev(struct lab *lab)
{
	const char *name = lab->spec->name;

	if (strlen(HOST_DEV_PREFIX) + strlen(name) < sizeof(lab->host_dev))
		snprintf(lab->host_dev, sizeof(lab->host_dev), HOST_DEV_PREFIX "%.12s", name);
	else
		snprintf(lab->host_dev, sizeof(lab->host_dev), HOST_DEV_PREFIX "%.4s%08x", name,
			 (unsigned int)hash_name(name));
}

static void lab_init(struct lab *lab, const struct choppy_spec *spec)
{
	*lab = (struct lab){
		.spec = spec,
		.state = STATE_INIT,
		.home = HOME_INIT,
		.undertaker_fd = -1,
		.gateway_ns = -1,
		.host_ns = -1,
		.node_ns = -1,
		.engine_ns = -1,
		.deferred = -1,
		.deferred_nft = -1,
		.deferred_tap = -1,
		.init = INIT_NONE,
		.remote = REMOTE_NONE,
		.service = SERVER_NONE,
		.dns = SERVER_NONE,
		.relay = SERVER_NONE,
		.control = -1,
		.leash = -1,
		.plan = -1,
		.verdicts = -1,
	};
}

static void lab_take_file(struct lab *lab, struct choppy_file *f)
{
	uint32_t first;

	if (!f)
		return;
	lab->net.plan = f;
	lab->net.deferred_nat = -1;
	/* A switch has no place for an uplink. */
	for (first = 0; first < f->file->t.nnodes && f->file->t.nodes[first].kind == NODE_SWITCH;)
		first++;
	lab->net.first = f->file->uplink != UINT32_MAX ? f->file->uplink : first;
}

static int open_verdicts(struct lab *lab, struct choppy_err *err)
{
	char header[VERDICT_LINE_MAX];
	struct stat st;
	int n;

	if (!lab->spec->verdicts[0])
		return 0;
	lab->verdicts = open(lab->spec->verdicts,
			     O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_APPEND | O_NONBLOCK,
			     0666);
	if (lab->verdicts < 0)
		return err_sys(err, -errno, "open %s", lab->spec->verdicts);
	/* The engine writes between two packets: nobody may let it wait. */
	if (fstat(lab->verdicts, &st) < 0 || !(S_ISREG(st.st_mode) || S_ISCHR(st.st_mode)))
		return err_set(err, -EINVAL, "%s is no regular file", lab->spec->verdicts);
	n = verdict_header(header, sizeof(header), lab->spec->seed);
	if (write(lab->verdicts, header, (size_t)n) != n)
		return err_sys(err, -errno, "write %s", lab->spec->verdicts);
	return 0;
}

/* Who the program may be where only its user is mapped. */
int lab_own_user(struct user *u, bool map_root, struct choppy_err *err)
{
	if (u->set && u->uid != geteuid())
		return err_cannot(err, -EPERM,
				  "without root a lab has one user, you: to run the program as %s, "
				  "use sudo",
				  u->name);
	u->set = false;
	u->drop = !map_root;
	return 0;
}

/* What an ordinary user cannot have. */
static int check_own(struct lab *lab, struct choppy_err *err)
{
	if (!lab->home.own)
		return 0;
	if (lab->spec->uplink == CHOPPY_UPLINK_NAT)
		return err_cannot(err, -EPERM,
				  "the uplink nat needs root (CAP_SYS_ADMIN, CAP_NET_ADMIN, "
				  "CAP_NET_RAW): use sudo, or --uplink relay");
	return lab_own_user(&lab->user, lab->spec->map_root, err);
}

/* All that can be known to fail before anything is made. */
static int lab_open(struct lab *lab, struct choppy_err *err)
{
	char note[BACKEND_NOTE_MAX];
	int r = home_find(&lab->home, err);

	memcpy(lab->dir, lab->spec->dir, sizeof(lab->dir));
	lab->rules = lab->spec->rules;
	name_host_dev(lab);
	if (r == 0)
		r = user_find(&lab->user, lab->spec->user, err);
	if (r == 0)
		r = check_own(lab, err);
	if (r == 0 && lab->net.plan)
		r = net_programs_check(lab, err);
	if (r == 0)
		r = check_conditions(lab->dir, &lab->rules, lab->spec->backend, note, err);
	if (r == 0 && lab->spec->backend == CHOPPY_ENGINE)
		r = plan_for(lab->spec, lab->dir, &lab->rules, false, &lab->plan, &lab->plan_size,
			     err);
	if (r < 0)
		return r;
	r = check_absent(&lab->home, lab->spec->name, err);
	if (r < 0)
		return r;
	lab->gateway_ns = netns_current();
	if (lab->gateway_ns < 0)
		return err_sys(err, lab->gateway_ns, "open this network namespace");
	memcpy(lab->backend_note, note, sizeof(note));
	return open_verdicts(lab, err);
}

static void lab_close(struct lab *lab)
{
	close_fd(&lab->plan);
	close_fd(&lab->verdicts);
	close_fd(&lab->gateway_ns);
	close_fd(&lab->host_ns);
	home_close(&lab->home);
}

/* ---------------------------------------------------------------- terminal */

/* The terminal's foreground process group, to be put back when a program that made
 * its own (an interactive shell) has ended. */
static pid_t foreground(int *ret_tty)
{
	*ret_tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	return *ret_tty < 0 ? -1 : tcgetpgrp(*ret_tty);
}

static void foreground_restore(int tty, pid_t group)
{
	sigset_t ttou, old;

	if (tty < 0)
		return;
	if (group == getpgrp() && tcgetpgrp(tty) != group) {
		sigemptyset(&ttou);
		sigaddset(&ttou, SIGTTOU);
		sigprocmask(SIG_BLOCK, &ttou, &old);
		tcsetpgrp(tty, group);
		sigprocmask(SIG_SETMASK, &old, NULL);
	}
	close(tty);
}

/* --------------------------------------------------------------------- run */

static void take_signals(struct signal_state *state)
{
	sigset_t set;

	signals_forwarded(&set);
	sigaddset(&set, SIGCHLD);
	signals_take(state, &set);
}

static int failed_status(const struct choppy_err *err)
{
	return err->cannot ? CHOPPY_EXIT_CANNOT : CHOPPY_EXIT_FAILED;
}

/*
 * A packet that left too late says more of this machine than of the program, and verdicts that were
 * asked for and are not there were asked for in vain: then the program's status is not the run's.
 */
static int judge_run(const struct lab *lab, const struct choppy_lab *last, int status,
		     struct choppy_err *err)
{
	static const struct choppy_field_row time = { .kind = CHOPPY_KIND_TIME };
	char late[32], most[32];

	if (lab->log_error) {
		err_set(err, lab->log_error,
			"%s is cut short: %s; the program ended with status %d",
			lab->spec->verdicts, strerror(-lab->log_error), status);
		return CHOPPY_EXIT_FAILED;
	}
	for (int d = 0; lab->spec->max_lateness_ns && d < CHOPPY_NDIRS; d++) {
		const struct choppy_counters *n = &last->counters[d];

		if (n->late_max_ns <= lab->spec->max_lateness_ns)
			continue;
		choppy_value_print(late, sizeof(late), &time, &n->late_max_ns);
		choppy_value_print(most, sizeof(most), &time, &lab->spec->max_lateness_ns);
		err_set(err, -ETIME,
			"a packet left %s late, more than the %s of --max-lateness: this machine "
			"was too slow for the test, whose program ended with status %d",
			late, most, status);
		return CHOPPY_EXIT_LATE;
	}
	return status;
}

/* What was lost and not asked for would be taken for the link's doing. */
static void tell_losses(struct lab *lab, const struct choppy_lab *last)
{
	static const enum choppy_drop own[] = { CHOPPY_DROP_MEMORY, CHOPPY_DROP_RECEIVE,
						CHOPPY_DROP_SEND };
	uint64_t lost = 0;

	for (int d = 0; d < CHOPPY_NDIRS; d++)
		for (size_t i = 0; i < ARRAY_SIZE(own); i++)
			lost += last->counters[d].dropped[own[i]];
	if (lost)
		lab_note(lab, true,
			 "choppy itself lost frames that nobody had asked to lose (%llu): this "
			 "machine "
			 "was too slow, or net.core.rmem_max is too small",
			 (unsigned long long)lost);
}

static int keep(struct lab *lab, struct choppy_lab *ret_lab, struct choppy_err *err)
{
	struct choppy_lab last;
	int status, r = steps_make(lab, err);

	if (lab->interrupted)
		return 128 + lab->interrupted;
	if (r < 0)
		return failed_status(err);
	status = keeper_loop(lab, err);
	if (lab_describe(lab, &last, NULL) == 0) {
		tell_losses(lab, &last);
		if (ret_lab)
			*ret_lab = last;
		status = judge_run(lab, &last, status, err);
	}
	steps_undo(lab);
	return status;
}

int choppy_run(const struct choppy_spec *spec, char *const argv[], struct choppy_lab *ret_lab,
	       struct choppy_err *err)
{
	struct choppy_spec full = *spec;
	struct choppy_err own;
	struct lab lab;
	pid_t group;
	int status, tty;

	if (!err)
		err = &own;
	memset(err, 0, sizeof(*err));
	if (ret_lab)
		ret_lab->name[0] = '\0';
	lab_init(&lab, &full);
	lab.argv = argv;
	if (choppy_spec_check(&full, err) < 0 || lab_open(&lab, err) < 0) {
		lab_close(&lab);
		return failed_status(err);
	}
	group = foreground(&tty);
	take_signals(&lab.signals);
	status = keep(&lab, ret_lab, err);
	lab_close(&lab);
	foreground_restore(tty, group);
	signals_drop();
	signals_give(&lab.signals);
	return status;
}

/* --------------------------------------------------------------------- add */

struct add_report {
	struct choppy_err err; /* code 0: the lab stands */
	struct choppy_lab lab;
};

/* @leash: a pipe that ends with the maker, or -1. */
static void detach(int report, int leash)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int low = leash < 0 || report < leash ? report : leash;
	int high = leash < report ? report : leash;

	setsid();
	if (chdir("/") < 0)
		return;
	for (int fd = 0; null >= 0 && fd < 3; fd++)
		dup2(null, fd);
	/* What the caller had open is not the daemon's to hold. */
	close_range(3, (unsigned int)low - 1, 0);
	if (high > low)
		close_range((unsigned int)low + 1, (unsigned int)high - 1, 0);
	close_range((unsigned int)high + 1, ~0u, 0);
}

static _Noreturn void daemon_main(const struct choppy_spec *given, struct choppy_file *file,
				  int report_fd, int leash)
{
	struct add_report report = { 0 };
	struct choppy_spec spec = *given;
	struct choppy_err err;
	struct lab lab;
	int r;

	spec.note = NULL;
	detach(report_fd, leash);
	lab_init(&lab, &spec);
	lab.leash = leash;
	lab.permanent = true;
	lab_take_file(&lab, file);
	r = lab_open(&lab, &report.err);
	if (r == 0) {
		take_signals(&lab.signals);
		r = steps_make(&lab, &report.err);
	}
	if (r == 0)
		lab_describe(&lab, &report.lab, NULL);
	if (write(report_fd, &report, sizeof(report)) < 0 && r == 0)
		r = -EPIPE; /* nobody knows of the lab: end it */
	close(report_fd);
	if (r == 0)
		keeper_loop(&lab, &err);
	if (lab.nmade)
		steps_undo(&lab);
	_exit(0);
}

/* What ends a lab: the keeper, and the pipe that it waits for the end of. */
struct leash {
	pid_t keeper;
	int fd;
};

/* @full: checked. @ret_leash: where it is leashed; NULL: it is held until this process ends. */
static int start_daemon(const struct choppy_spec *full, struct choppy_file *file,
			struct choppy_lab *ret_lab, struct leash *ret_leash, struct choppy_err *err)
{
	struct add_report report;
	size_t got = 0;
	ssize_t n;
	pid_t pid;
	int fds[2], leash[2] = { -1, -1 };

	if (pipe2(fds, O_CLOEXEC) < 0 || (full->leashed && pipe2(leash, O_CLOEXEC) < 0))
		return err_sys(err, -errno, "make a pipe");
	/* The daemon's standard descriptors become /dev/null: the report is not to be among them.
	 */
	if (fds[1] < 3)
		fds[1] = fcntl(fds[1], F_DUPFD_CLOEXEC, 3);
	if (leash[0] >= 0 && leash[0] < 3)
		leash[0] = fcntl(leash[0], F_DUPFD_CLOEXEC, 3);
	pid = fork();
	if (pid == 0)
		daemon_main(full, file, fds[1], leash[0]);
	close(fds[1]);
	close_fd(&leash[0]); /* the other end stays open as long as this process lives */
	if (pid < 0) {
		close(fds[0]);
		return err_sys(err, -errno, "start the keeper");
	}
	/* It may be more than a pipe holds. */
	do {
		n = read(fds[0], (char *)&report + got, sizeof(report) - got);
		got += n > 0 ? (size_t)n : 0;
	} while (n > 0 ? got < sizeof(report) : n < 0 && errno == EINTR);
	close(fds[0]);
	if (got != sizeof(report))
		return err_set(err, -EPIPE, "the keeper of %s ended before the lab stood",
			       full->name);
	if (report.err.code < 0) {
		waitpid(pid, NULL, 0);
		if (err)
			*err = report.err;
		return report.err.code;
	}
	if (ret_leash)
		*ret_leash = (struct leash){ .keeper = pid, .fd = leash[1] };
	for (int i = 0; full->note && i < report.lab.nnotes; i++)
		full->note(full->note_ctx, report.lab.notes[i]);
	if (ret_lab)
		*ret_lab = report.lab;
	return 0;
}

int choppy_add(const struct choppy_spec *spec, struct choppy_lab *ret_lab, struct choppy_err *err)
{
	struct choppy_spec full = *spec;
	int r;

	if (!spec->name[0])
		return choppy_name_check(spec->name, err);
	r = choppy_spec_check(&full, err);
	return r < 0 ? r : start_daemon(&full, NULL, ret_lab, NULL, err);
}

/* What the file says of the lab, where the caller has not said it. */
static int spec_of_file(struct choppy_spec *spec, const struct choppy_file *f,
			struct choppy_err *err)
{
	const struct labfile *file = f->file;

	memcpy(spec->name, f->name, sizeof(spec->name));
	snprintf(spec->dev, sizeof(spec->dev), "uplink");
	if (!spec->seed_given && file->seed_given) {
		spec->seed_given = true;
		spec->seed = file->seed;
	}
	if (spec->backend != CHOPPY_ENGINE)
		return err_set(err, -EOPNOTSUPP, "links between nodes are the engine's");
	if (file->uplink == UINT32_MAX && spec->uplink != CHOPPY_UPLINK_AUTO &&
	    spec->uplink != CHOPPY_UPLINK_NONE)
		return err_set(
			err, -EINVAL,
			"no node of %s has an uplink: leave --uplink out, or name one in its "
			"file (uplink: NODE)",
			f->name);
	if (file->uplink == UINT32_MAX)
		spec->uplink = CHOPPY_UPLINK_NONE;
	else if (spec->uplink == CHOPPY_UPLINK_AUTO)
		spec->uplink = file->uplink_kind;
	if (file->uplink_condition) {
		memcpy(spec->dir, file->uplink_condition->dir, sizeof(spec->dir));
		spec->rules = file->uplink_condition->rules;
	}
	return choppy_spec_check(spec, err);
}

static int up(struct choppy_file *f, const struct choppy_spec *spec, struct choppy_lab *ret_lab,
	      struct leash *ret_leash, struct choppy_err *err)
{
	struct choppy_spec full = *spec;
	int r = net_check_limits(f, err);

	if (r == 0)
		r = spec_of_file(&full, f, err);
	return r < 0 ? r : start_daemon(&full, f, ret_lab, ret_leash, err);
}

int choppy_up(struct choppy_file *f, const struct choppy_spec *spec, struct choppy_lab *ret_lab,
	      struct choppy_err *err)
{
	return up(f, spec, ret_lab, NULL, err);
}

/* ------------------------------------------------- commands on living labs */

/*
 * Ask the keeper. One that is just starting or ending does not answer: its lab is there in a
 * moment, or it is gone.
 */
static int call_lab(struct home *home, const char *name, const struct control_ask *ask,
		    int *ret_fds, struct choppy_err *err)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	int r;

	for (int i = 0; i < CALL_TRIES; i++) {
		r = find_lab(home, name, err);
		if (r == 0)
			r = control_call(home, name, ask, ret_fds, err);
		else
			return r;
		if (r != -ECONNREFUSED && r != -ECONNRESET && r != -EPIPE && r != -ENOENT)
			return r;
		nanosleep(&pause, NULL);
	}
	return r;
}

/* What a call gives and gets, beside descriptors. */
struct call_of_lab {
	const char *link, *node, *condition, *backend;
	struct choppy_lab *lab; /* the answer, or NULL */
};

static void put_parameters(struct json *j, void *ctx)
{
	const struct call_of_lab *c = ctx;

	if (c->link)
		json_text(j, "link", c->link);
	if (c->node)
		json_text(j, "node", c->node);
	if (c->condition)
		json_text(j, "condition", c->condition);
	if (c->backend)
		json_text(j, "backend", c->backend);
}

static int get_lab(struct fy_node *parameters, void *ctx, struct choppy_err *err)
{
	struct call_of_lab *c = ctx;

	return c->lab ? lab_json_read(c->lab, json_member(parameters, "lab"), err) : 0;
}

static int ask_lab(struct home *home, const char *name, const char *method,
		   struct call_of_lab *call, int *ret_fds, struct choppy_err *err)
{
	const struct control_ask ask = {
		.method = method, .put = put_parameters, .get = get_lab, .ctx = call
	};

	return call_lab(home, name, &ask, ret_fds, err);
}

int choppy_del(const char *name, struct choppy_err *err)
{
	CLEANUP_HOME home = HOME_INIT;
	const struct control_ask ask = { .method = LAB_INTERFACE ".Down", .until_closed = true };

	return call_lab(&home, name, &ask, NULL, err);
}

int choppy_show(const char *name, struct choppy_lab *ret, struct choppy_err *err)
{
	const char *slash = strchr(name, '/');
	CLEANUP_FREE char *lab = strndup(name, slash ? (size_t)(slash - name) : strlen(name));
	struct call_of_lab call = { .link = slash ? slash + 1 : NULL, .lab = ret };
	CLEANUP_HOME home = HOME_INIT;

	if (!lab)
		return err_sys(err, -ENOMEM, "show %s", name);
	return ask_lab(&home, lab, LAB_INTERFACE ".Show", &call, NULL, err);
}

int choppy_set(const char *name, const struct choppy_change *change, int backend,
	       struct choppy_lab *ret, struct choppy_err *err)
{
	int n = choppy_change_print(NULL, 0, change) + 1;
	CLEANUP_FREE char *text = malloc((size_t)n);
	struct call_of_lab call = { .condition = text, .lab = ret };
	CLEANUP_HOME home = HOME_INIT;

	if (!text)
		return err_sys(err, -ENOMEM, "change the condition");
	choppy_change_print(text, (size_t)n, change);
	if (backend >= 0)
		call.backend = choppy_backend_name((enum choppy_backend)backend);
	return ask_lab(&home, name, LAB_INTERFACE ".Set", &call, NULL, err);
}

/* The words of an action, and what was done. */
struct act_call {
	int n;
	const char *const *words;
	void (*line)(void *ctx, const char *what);
	void *ctx;
};

static void put_action(struct json *j, void *ctx)
{
	const struct act_call *c = ctx;

	json_array(j, "action");
	for (int i = 0; i < c->n; i++)
		json_text(j, NULL, c->words[i]);
	json_array_end(j);
}

static int get_done(struct fy_node *parameters, void *ctx, struct choppy_err *err)
{
	struct fy_node *list = json_member(parameters, "done"), *item;
	struct act_call *c = ctx;
	void *iter = NULL;

	while (list && (item = fy_node_sequence_iterate(list, &iter)))
		if (c->line && json_text_of(item))
			c->line(c->ctx, json_text_of(item));
	return 0;
}

int choppy_act(const char *name, int n, const char *const *words,
	       void (*line)(void *ctx, const char *what), void *ctx, struct choppy_err *err)
{
	struct act_call call = { .n = n, .words = words, .line = line, .ctx = ctx };
	const struct control_ask ask = {
		.method = LAB_INTERFACE ".Act", .put = put_action, .get = get_done, .ctx = &call
	};
	CLEANUP_HOME home = HOME_INIT;

	return call_lab(&home, name, &ask, NULL, err);
}

/* Names of nodes to be ready, and who is waited for. */
struct ready_call {
	int n;
	const char *const *names;
	void (*waiting)(void *ctx, const char *what);
	void *ctx;
	bool ready;
};

static void put_ready(struct json *j, void *ctx)
{
	const struct ready_call *c = ctx;

	json_array(j, "nodes");
	for (int i = 0; i < c->n; i++)
		json_text(j, NULL, c->names[i]);
	json_array_end(j);
}

static int get_ready(struct fy_node *parameters, void *ctx, struct choppy_err *err)
{
	struct fy_node *list = json_member(parameters, "waiting"), *item;
	struct ready_call *c = ctx;
	void *iter = NULL;

	if (!json_get_bool(json_member(parameters, "ready"), &c->ready))
		return err_set(err, -EPROTO, "the keeper does not say who is ready");
	while (c->waiting && list && (item = fy_node_sequence_iterate(list, &iter)))
		if (json_text_of(item))
			c->waiting(c->ctx, json_text_of(item));
	return 0;
}

int choppy_ready(const char *lab, int n, const char *const *names,
		 void (*waiting)(void *ctx, const char *what), void *ctx, bool *ret,
		 struct choppy_err *err)
{
	struct ready_call call = { .n = n, .names = names, .waiting = waiting, .ctx = ctx };
	const struct control_ask ask = {
		.method = LAB_INTERFACE ".Ready", .put = put_ready, .get = get_ready, .ctx = &call
	};
	CLEANUP_HOME home = HOME_INIT;
	int r = call_lab(&home, lab, &ask, NULL, err);

	if (r == 0)
		*ret = call.ready;
	return r;
}

/* Whom a list is told to; @flag is what stands beside it. */
struct list_call {
	const char *list, *flag_name; /* NULL: no flag */
	const char *number_name; /* likewise */
	void (*tell)(struct fy_node *item, void *ctx);
	void *ctx;
	bool flag;
	uint64_t number;
};

static int get_list(struct fy_node *parameters, void *ctx, struct choppy_err *err)
{
	struct list_call *c = ctx;
	struct fy_node *list = json_member(parameters, c->list), *item;
	void *iter = NULL;

	if (!list ||
	    (c->flag_name && !json_get_bool(json_member(parameters, c->flag_name), &c->flag)))
		return err_set(err, -EPROTO, "the keeper does not tell its %s", c->list);
	if (c->number_name)
		json_get_u64(json_member(parameters, c->number_name), &c->number);
	while ((item = fy_node_sequence_iterate(list, &iter)))
		c->tell(item, c->ctx);
	return 0;
}

static int call_list(const char *lab, const char *method, struct list_call *call, bool *ret,
		     struct choppy_err *err)
{
	const struct control_ask ask = { .method = method, .get = get_list, .ctx = call };
	CLEANUP_HOME home = HOME_INIT;
	int r = call_lab(&home, lab, &ask, NULL, err);

	if (r == 0)
		*ret = call->flag;
	return r;
}

struct node_teller {
	void (*each)(void *ctx, const struct choppy_node *n);
	void *ctx;
};

static void tell_node(struct fy_node *item, void *ctx)
{
	const struct node_teller *t = ctx;
	struct choppy_node n = { .name = json_text_of(json_member(item, "name")),
				 .kind = json_text_of(json_member(item, "kind")),
				 .addr4 = json_text_of(json_member(item, "ipv4")),
				 .addr6 = json_text_of(json_member(item, "ipv6")),
				 .command = json_text_of(json_member(item, "command")) };

	json_get_u64(json_member(item, "status"), &n.status);
	json_get_bool(json_member(item, "paused"), &n.paused);
	json_get_bool(json_member(item, "asked_ready"), &n.asked_ready);
	json_get_bool(json_member(item, "ready"), &n.ready);
	if (n.name && n.kind && n.addr4 && n.addr6 && n.command)
		t->each(t->ctx, &n);
}

int choppy_nodes(const char *lab, void (*each)(void *ctx, const struct choppy_node *n), void *ctx,
		 struct choppy_err *err)
{
	struct node_teller teller = { .each = each, .ctx = ctx };
	struct list_call call = { .list = "nodes", .tell = tell_node, .ctx = &teller };

	return call_list(lab, LAB_INTERFACE ".Nodes", &call, &(bool){ false }, err);
}

struct step_teller {
	void (*each)(void *ctx, const struct choppy_step *s);
	void *ctx;
};

/* The texts of @list with "; " between, to be freed. */
static char *joined(struct fy_node *list)
{
	struct fy_node *item;
	char *text = NULL;
	void *iter = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	while (f && list && (item = fy_node_sequence_iterate(list, &iter)))
		fprintf(f, "%s%s", ftell(f) ? "; " : "", json_text_of(item));
	if (f)
		fclose(f);
	return text;
}

static void tell_step(struct fy_node *item, void *ctx)
{
	const struct step_teller *t = ctx;
	char *done = joined(json_member(item, "done"));
	struct choppy_step s = { .action = json_text_of(json_member(item, "action")),
				 .error = json_text_of(json_member(item, "error")) };

	json_get_u64(json_member(item, "due_ns"), &s.due_ns);
	json_get_u64(json_member(item, "late_ns"), &s.late_ns);
	json_get_bool(json_member(item, "end"), &s.end);
	s.done = done ? done : "";
	if (s.action)
		t->each(t->ctx, &s);
	free(done);
}

int choppy_timeline(const char *lab, void (*each)(void *ctx, const struct choppy_step *s),
		    void *ctx, uint64_t *ret_untold, bool *ret_waiting, struct choppy_err *err)
{
	struct step_teller teller = { .each = each, .ctx = ctx };
	struct list_call call = { .list = "steps",
				  .flag_name = "waiting",
				  .number_name = "untold",
				  .tell = tell_step,
				  .ctx = &teller };
	int r = call_list(lab, LAB_INTERFACE ".Timeline", &call, ret_waiting, err);

	if (r == 0 && ret_untold)
		*ret_untold = call.number;
	return r;
}

struct result_teller {
	void (*each)(void *ctx, const struct choppy_result *r);
	void *ctx;
};

static void tell_result(struct fy_node *item, void *ctx)
{
	const struct result_teller *t = ctx;
	struct choppy_result r = { .expect = json_text_of(json_member(item, "expect")),
				   .reason = json_text_of(json_member(item, "reason")) };

	json_get_bool(json_member(item, "decided"), &r.decided);
	json_get_bool(json_member(item, "holds"), &r.holds);
	json_get_u64(json_member(item, "at_ns"), &r.at_ns);
	if (r.expect && r.reason)
		t->each(t->ctx, &r);
}

int choppy_expectations(const char *lab, void (*each)(void *ctx, const struct choppy_result *r),
			void *ctx, bool *ret_decided, struct choppy_err *err)
{
	struct result_teller teller = { .each = each, .ctx = ctx };
	struct list_call call = {
		.list = "results", .flag_name = "decided", .tell = tell_result, .ctx = &teller
	};

	return call_list(lab, LAB_INTERFACE ".Expectations", &call, ret_decided, err);
}

struct names {
	char **v;
	size_t n;
};

static int add_name(struct home *home, const char *name, void *ctx)
{
	struct names *names = ctx;
	char **v;

	if (!state_alive(home, name, NULL))
		return 0;
	for (size_t i = 0; i < names->n; i++)
		if (strcmp(names->v[i], name) == 0)
			return 0; /* hidden by the one of the first home */
	v = realloc(names->v, (names->n + 1) * sizeof(*v));
	if (!v)
		return -ENOMEM;
	names->v = v;
	v[names->n] = strdup(name);
	if (!v[names->n])
		return -ENOMEM;
	names->n++;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int choppy_list(char ***ret_names, size_t *ret_n, struct choppy_err *err)
{
	struct names names = { 0 };
	CLEANUP_HOME home = HOME_INIT;
	int r = home_find(&home, err), place = 0;

	if (r < 0)
		return r;
	do {
		clear_up(&home);
		r = home.fd < 0 ? 0 : state_each(&home, add_name, &names);
	} while (r == 0 && home_next(&home, &place));
	if (r < 0) {
		while (names.n > 0)
			free(names.v[--names.n]);
		free(names.v);
		return err_sys(err, r, "list the labs");
	}
	if (names.n)
		qsort(names.v, names.n, sizeof(*names.v), by_name);
	*ret_names = names.v;
	*ret_n = names.n;
	return 0;
}

/* -------------------------------------------------------------------- exec */

static _Noreturn void exec_child(char *const argv[], const struct user *user,
				 const struct signal_state *signals, int report)
{
	int r;

	signals_give(signals);
	r = spawn_exec(argv, user);
	if (write(report, &r, sizeof(r)) < 0)
		_exit(CHOPPY_EXIT_FAILED);
	_exit(CHOPPY_EXIT_NOTFOUND);
}

/* Pass signals on until @pid ends; its wait(2) status. */
static int wait_forwarding(pid_t pid)
{
	sigset_t set;
	int wstatus;

	signals_forwarded(&set);
	sigaddset(&set, SIGCHLD);
	for (;;) {
		siginfo_t info;
		int sig;

		if (waitpid(pid, &wstatus, WNOHANG) == pid)
			return wstatus;
		sig = sigwaitinfo(&set, &info);
		if (sig > 0 && sig != SIGCHLD && signal_wants_forwarding(sig, info.si_code))
			kill(pid, sig);
	}
}

/* Wherever this process is now. */
static int run_here(char *const argv[], const struct user *user, const struct signal_state *signals,
		    struct choppy_err *err)
{
	int report[2], code = 0, wstatus;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) < 0) {
		err_sys(err, -errno, "make a pipe");
		return CHOPPY_EXIT_FAILED;
	}
	pid = fork();
	if (pid == 0)
		exec_child(argv, user, signals, report[1]);
	close(report[1]);
	if (pid < 0) {
		err_sys(err, -errno, "start a process");
		return CHOPPY_EXIT_FAILED;
	}
	wstatus = wait_forwarding(pid);
	if (read(report[0], &code, sizeof(code)) == sizeof(code))
		return spawn_failed(code, argv[0], err);
	close(report[0]);
	return spawn_status(wstatus);
}

static void close_node(int node[NODE_FDS])
{
	for (int i = 0; i < NODE_FDS; i++)
		close_fd(&node[i]);
}

/* "NODE" alone: of the one lab that has it. */
static int find_alone(struct home *home, const char *node, struct choppy_lab *ret,
		      int fds[NODE_FDS], struct choppy_err *err)
{
	int more[NODE_FDS] = { -1, -1, -1 }, r = -ENOENT;
	struct choppy_lab lab;
	struct call_of_lab call = { .node = node, .lab = &lab };
	char **names;
	size_t n;

	if (choppy_list(&names, &n, NULL) < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		if (ask_lab(home, names[i], LAB_INTERFACE ".Enter", &call, more, NULL) < 0)
			continue;
		if (r == 0)
			r = err_set(err, -ENOTUNIQ,
				    "%s is a node of %s and of %s: say which, as %s/%s", node,
				    ret->name, lab.name, lab.name, node);
		close_node(fds);
		memcpy(fds, more, sizeof(more));
		*ret = lab;
		r = r == -ENOENT ? 0 : r;
	}
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
	if (r == -ENOTUNIQ)
		close_node(fds);
	return r;
}

/* What "LAB", "LAB/NODE" or "NODE" names. */
static int find_node(struct home *home, const char *name, struct choppy_lab *ret, int fds[NODE_FDS],
		     struct choppy_err *err)
{
	const char *slash = strchr(name, '/');
	char lab[CHOPPY_NAME_MAX + 2];
	struct call_of_lab call = { .node = slash ? slash + 1 : NULL, .lab = ret };
	struct choppy_err none = { 0 };
	int r;

	snprintf(lab, sizeof(lab), "%.*s", slash ? (int)(slash - name) : (int)strlen(name), name);
	/* A node's name may be longer than a lab's. */
	r = !slash && strlen(name) > CHOPPY_NAME_MAX
		    ? -ENOENT
		    : ask_lab(home, lab, LAB_INTERFACE ".Enter", &call, fds, &none);
	if (r < 0 && (r != -ENOENT || slash) && err)
		*err = none;
	if (r != -ENOENT || slash)
		return r;
	r = find_alone(home, name, ret, fds, err);
	if (r == -ENOENT)
		return err_set(err, r, "there is no lab '%s', and no node of any lab is called so",
			       name);
	return r;
}

/* A node's own name, as its command has it; of a lab's first node nobody has said the name. */
static int name_host(const struct choppy_lab *lab, const char *name, struct choppy_err *err)
{
	const char *slash = strchr(name, '/'), *node = slash ? slash + 1 : name;

	if (!lab->nodes || (!slash && strcmp(name, lab->name) == 0))
		return 0;
	if (unshare(CLONE_NEWUTS) < 0 || sethostname(node, strlen(node)) < 0)
		return err_sys(err, -errno, "call the host %s", node);
	return 0;
}

int choppy_exec(const char *name, char *const argv[], const char *user_name, struct choppy_err *err)
{
	struct signal_state signals;
	struct choppy_err own;
	CLEANUP_HOME home = HOME_INIT;
	struct choppy_lab lab;
	struct user user;
	int node[NODE_FDS] = { -1, -1, -1 }, status, tty;
	unsigned int has;
	pid_t group;

	if (!err)
		err = &own;
	memset(err, 0, sizeof(*err));
	if (user_find(&user, user_name, err) < 0 || find_node(&home, name, &lab, node, err) < 0)
		return failed_status(err);
	if (lab.rootless && lab_own_user(&user, lab.map_root, err) < 0) {
		close_node(node);
		return failed_status(err);
	}
	group = foreground(&tty);
	take_signals(&signals);
	has = (lab.rootless ? NODE_HAS_USER : 0u) | (lab.nodes ? NODE_HAS_IPC : 0u);
	status = node_enter(node, has, err) < 0 || name_host(&lab, name, err) < 0
			 ? CHOPPY_EXIT_FAILED
			 : run_here(argv, &user, &signals, err);
	close_node(node);
	foreground_restore(tty, group);
	signals_drop();
	signals_give(&signals);
	return status;
}

/* Beside the lab, not in it. */
static int run_outside(const char *lab, char *const argv[], struct choppy_err *err)
{
	const struct user nobody = { 0 };
	struct signal_state signals;
	int status;

	setenv("CHOPPY_LAB", lab, 1);
	take_signals(&signals);
	status = run_here(argv, &nobody, &signals, err);
	signals_drop();
	signals_give(&signals);
	return status;
}

int choppy_run_file(struct choppy_file *f, const struct choppy_spec *spec, const char *node,
		    char *const argv[], struct choppy_err *err)
{
	struct choppy_spec full = *spec;
	struct choppy_lab lab;
	struct choppy_err own;
	struct leash leash;
	char name[CHOPPY_NAME_MAX + NODE_NAME_MAX + 2];
	int status;

	if (!err)
		err = &own;
	memset(err, 0, sizeof(*err));
	full.leashed = true;
	if (node && topology_find_node(&f->file->t, node, &(uint32_t){ 0 }, err) < 0)
		return CHOPPY_EXIT_FAILED;
	if (up(f, &full, &lab, &leash, err) < 0)
		return failed_status(err);
	snprintf(name, sizeof(name), "%s/%s", lab.name, node ? node : "");
	status = node ? choppy_exec(name, argv, *spec->user ? spec->user : NULL, err)
		      : run_outside(lab.name, argv, err);
	/* From within a node the lab could not be found any more. */
	close_fd(&leash.fd);
	while (waitpid(leash.keeper, NULL, 0) < 0 && errno == EINTR)
		;
	return status;
}

int choppy_log_open(const char *name, struct choppy_err *err)
{
	const char *slash = strrchr(name, '/'), *node = slash ? slash + 1 : name;
	int fds[NODE_FDS] = { -1, -1, -1 }, r;
	CLEANUP_HOME home = HOME_INIT;
	struct choppy_lab lab;
	char path[PATH_MAX];

	r = find_node(&home, name, &lab, fds, err);
	close_node(fds);
	if (r == 0)
		r = find_lab(&home, lab.name, err); /* other labs may have been asked after it */
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "labs/%s/" STATE_LOGS "/%s", lab.name, node);
	r = openat(home.fd, path, O_RDONLY | O_CLOEXEC);
	if (r < 0 && errno == ENOENT)
		return err_set(err, -ENOENT, "nothing runs on %s: its file has no command", name);
	return r < 0 ? err_sys(err, -errno, "open %s/%s", home.dir, path) : r;
}

/* ---------------------------------------------------------------- gc, plan */

struct gc {
	bool dry_run;
	void (*line)(void *ctx, const char *what);
	void *ctx;
	struct choppy_err *err;
	int result;
};

static int gc_one(struct home *home, const char *name, void *ctx)
{
	struct gc *gc = ctx;
	int r = state_reap(home, name, 0, gc->dry_run, gc->line, gc->ctx, gc->err);

	if (r < 0 && gc->result == 0)
		gc->result = r;
	return 0; /* the others are looked at all the same */
}

static int gc_home(struct home *home, struct gc *gc)
{
	CLEANUP_FD lock = state_lock(home, gc->err);
	int r;

	if (lock < 0)
		return lock;
	r = state_each(home, gc_one, gc);
	if (!gc->dry_run)
		state_prune(home);
	return r < 0 ? err_sys(gc->err, r, "look at the labs") : 0;
}

int choppy_gc(bool dry_run, void (*line)(void *ctx, const char *what), void *ctx,
	      struct choppy_err *err)
{
	struct gc gc = { .dry_run = dry_run, .line = line, .ctx = ctx, .err = err };
	CLEANUP_HOME home = HOME_INIT;
	int r = home_find(&home, err), place = 0;

	if (r < 0)
		return r;
	do {
		r = home.fd < 0 ? 0 : gc_home(&home, &gc);
	} while (r == 0 && home_next(&home, &place));
	return r < 0 ? r : gc.result;
}

/* @full: checked. */
static int plan_steps(const struct choppy_spec *full, struct choppy_file *file, bool permanent,
		      void (*line)(void *ctx, const char *what), void *ctx, struct choppy_err *err)
{
	static char *const program[] = { "COMMAND", NULL };
	struct lab lab;
	int r;

	lab_init(&lab, full);
	r = home_find(&lab.home, err);
	if (r < 0)
		return r;
	home_close(&lab.home);
	lab_take_file(&lab, file);
	memcpy(lab.dir, full->dir, sizeof(lab.dir));
	lab.rules = full->rules;
	name_host_dev(&lab);
	lab.permanent = permanent;
	lab.argv = permanent ? NULL : program;
	steps_plan(&lab, line, ctx);
	return 0;
}

int choppy_plan(const struct choppy_spec *spec, bool permanent,
		void (*line)(void *ctx, const char *what), void *ctx, struct choppy_err *err)
{
	struct choppy_spec full = *spec;
	int r = choppy_spec_check(&full, err);

	return r < 0 ? r : plan_steps(&full, NULL, permanent, line, ctx, err);
}

int choppy_up_plan(struct choppy_file *f, const struct choppy_spec *spec,
		   void (*line)(void *ctx, const char *what), void *ctx, struct choppy_err *err)
{
	struct choppy_spec full = *spec;
	int r = spec_of_file(&full, f, err);

	return r < 0 ? r : plan_steps(&full, f, true, line, ctx, err);
}
