/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keeper's socket speaks Varlink: its interface is org.choppy.Lab.varlink, a table row a
 * method here. Whoever may enter the lab's directory may ask, and that is its owner. libchoppy's
 * functions are the first client: what they ask for and what they make of the answer is theirs
 * (control_call()).
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "err.h"
#include "internal.h"
#include "lab_json.h"
#include "play.h"
#include "util.h"
#include "value.h"
#include "varlink.h"

#define SERVICE "org.varlink.service"
#define CLIENT_PATIENCE_S 10 /* a keeper that is stopped does not hang its clients for ever */
#define WORDS_MAX 4096 /* of one action */
#define WAITING_MAX (1 << 20) /* bytes of answers that a client has not read */

static const char interface_text[] =
#include "interface.inc"
	;

/* The description of the interface that every Varlink service has (https://varlink.org/Service). */
static const char service_text[] =
	"interface org.varlink.service\n"
	"method GetInfo() -> (vendor: string, product: string, version: string, url: string, "
	"interfaces: []string)\n"
	"method GetInterfaceDescription(interface: string) -> (description: string)\n"
	"error InterfaceNotFound (interface: string)\n"
	"error MethodNotFound (method: string)\n"
	"error MethodNotImplemented (method: string)\n"
	"error InvalidParameter (parameter: string)\n";

static_assert(HOME_DIR_MAX + sizeof("/labs/") + CHOPPY_NAME_MAX + sizeof("/control") <=
		      sizeof(((struct sockaddr_un *)0)->sun_path),
	      "a control socket has a name");

static void socket_address(struct sockaddr_un *sa, const struct home *home, const char *name)
{
	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	snprintf(sa->sun_path, sizeof(sa->sun_path), "%s/labs/%s/control", home->dir, name);
}

int control_listen(struct lab *lab, struct choppy_err *err)
{
	struct sockaddr_un sa;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_sys(err, -errno, "make the control socket");
	socket_address(&sa, &lab->home, lab->state.name);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 16) < 0) {
		int r = -errno;

		close(fd);
		return err_sys(err, r, "bind %s", sa.sun_path);
	}
	lab->control = fd;
	return 0;
}

/* ----------------------------------------------------------------- methods */

/* One request. What a method writes to @out are members of "parameters". */
struct request {
	struct lab *lab;
	struct fy_node *parameters;
	struct json *out;
	int fds[NODE_FDS], nfds; /* that go with the reply */
	const char *wrong; /* a parameter that is not what it should be; then -EINVAL */
	struct choppy_err *err;
};

/* The text of parameter @name into @ret, NULL where there is none. */
static int text_parameter(struct request *q, const char *name, const char **ret)
{
	struct fy_node *value = json_member(q->parameters, name);

	*ret = json_text_of(value);
	if (*ret || !value || json_is_null(value))
		return 0;
	q->wrong = name;
	return -EINVAL;
}

/* The texts of a list, valid as long as the request: @max at most. How many, or -EINVAL. */
static int list_parameter(struct request *q, const char *name, const char **ret, int max)
{
	struct fy_node *list = json_member(q->parameters, name), *item;
	void *iter = NULL;
	int n = 0;

	q->wrong = name;
	if (list && !fy_node_is_sequence(list))
		return -EINVAL;
	while (list && (item = fy_node_sequence_iterate(list, &iter))) {
		if (n == max || !json_text_of(item))
			return -EINVAL;
		ret[n++] = json_text_of(item);
	}
	q->wrong = NULL;
	return n;
}

/* The lab, or one of its links, as "lab". */
static int put_lab(struct request *q, const char *link)
{
	CLEANUP_FREE struct choppy_lab *lab = malloc(sizeof(*lab));
	uint32_t i;
	int r = lab ? lab_describe(q->lab, lab, q->err) : err_sys(q->err, -ENOMEM, "show the lab");

	if (r == 0 && link) {
		r = q->lab->net.plan
			    ? topology_find_link(&q->lab->net.plan->file->t, link, &i, q->err)
			    : err_set(q->err, -ENOENT, "there is no link '%s'", link);
		if (r == 0)
			r = lab_describe_link(q->lab, i, lab, q->err);
	}
	if (r == 0)
		lab_json_write(q->out, "lab", lab);
	return r;
}

static int do_show(struct request *q)
{
	const char *link;
	int r = text_parameter(q, "link", &link);

	return r < 0 ? r : put_lab(q, link);
}

static int check_backend(struct request *q, const char *backend)
{
	const struct lab *lab = q->lab;

	if (!backend || strcmp(backend, choppy_backend_name(lab->spec->backend)) == 0)
		return 0;
	return err_set(q->err, -EBUSY,
		       "%s is enforced by %s: the backend of a living link cannot be changed; "
		       "delete it and add it with --backend %s",
		       lab->state.name, choppy_backend_name(lab->spec->backend), backend);
}

static int do_set(struct request *q)
{
	CLEANUP_FREE struct choppy_change *change = calloc(1, sizeof(*change));
	CLEANUP_FREE const char **words = NULL;
	CLEANUP_FREE char *buf = NULL;
	const char *text, *backend;
	int n, r = text_parameter(q, "condition", &text);

	if (r == 0)
		r = text_parameter(q, "backend", &backend);
	if (r < 0)
		return r;
	if (!text) {
		q->wrong = "condition";
		return -EINVAL;
	}
	buf = malloc(strlen(text) + 1);
	words = malloc((strlen(text) / 2 + 1) * sizeof(*words));
	if (!change || !buf || !words)
		return err_sys(q->err, -ENOMEM, "change the condition");
	n = choppy_words_split(buf, words, text);
	r = n < 0 ? err_set(q->err, -EINVAL, "a quote is not closed")
		  : choppy_change_parse(change, n, words, true, q->err);
	if (r == 0)
		r = check_backend(q, backend);
	if (r == 0)
		r = lab_change(q->lab, change, q->err);
	return r < 0 ? r : put_lab(q, NULL);
}

/* What is written to @text line by line, as an array. */
static void put_lines(struct json *j, const char *key, char *text)
{
	char *save = NULL;

	json_array(j, key);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		json_text(j, NULL, line);
	json_array_end(j);
}

static int do_act(struct request *q)
{
	CLEANUP_FREE const char **words = malloc(WORDS_MAX * sizeof(*words));
	CLEANUP_FREE char *done = NULL;
	size_t size;
	FILE *f = words ? open_memstream(&done, &size) : NULL;
	int n, r;

	if (!f)
		return err_sys(q->err, -ENOMEM, "do that");
	n = list_parameter(q, "action", words, WORDS_MAX);
	r = n < 0 ? n : act(q->lab, n, words, f, q->err);
	fclose(f);
	if (r == 0)
		put_lines(q->out, "done", done);
	return r;
}

static int do_enter(struct request *q)
{
	const struct lab *lab = q->lab;
	const char *node;
	int ns = lab->node_ns, r = text_parameter(q, "node", &node);

	if (r == 0 && node) {
		ns = lab->net.plan ? net_find(lab, node, q->err)
				   : err_set(q->err, -ENOENT, "there is no node '%s'", node);
		r = ns < 0 ? ns : 0;
	}
	if (r < 0)
		return r;
	q->fds[NODE_INIT] = lab->init.pidfd;
	q->fds[NODE_ROOT] = lab->init.root;
	q->fds[NODE_NET] = ns;
	q->nfds = NODE_FDS;
	return put_lab(q, NULL);
}

static int need_play(struct request *q)
{
	return q->lab->net.play ? 0
				: err_set(q->err, -EOPNOTSUPP, "%s is not a lab out of a file",
					  q->lab->spec->name);
}

static int find_nodes(struct request *q, uint32_t **ret)
{
	CLEANUP_FREE const char **names = malloc(WORDS_MAX * sizeof(*names));
	int n, r = 0;

	*ret = calloc(WORDS_MAX, sizeof(**ret));
	if (!names || !*ret)
		return err_sys(q->err, -ENOMEM, "find the nodes");
	n = list_parameter(q, "nodes", names, WORDS_MAX);
	for (int i = 0; r == 0 && i < n; i++) {
		uint32_t *node = &(*ret)[i];

		r = topology_find_node(&q->lab->net.plan->file->t, names[i], node, q->err);
		if (r == 0 && !q->lab->net.plan->file->programs[*node].ready)
			r = err_set(q->err, -EINVAL,
				    "node %s does not say when it is ready: {ready: PORT} in its "
				    "file",
				    names[i]);
	}
	return r < 0 ? r : n;
}

static void put_waiting(struct request *q, uint32_t node)
{
	const struct labfile *f = q->lab->net.plan->file;
	char what[256];

	if (!f->programs[node].ready || q->lab->net.play->ready[node].ready)
		return;
	snprintf(what, sizeof(what), "%s: ", f->t.nodes[node].name);
	probe_print_ready(f->programs[node].ready, what + strlen(what),
			  sizeof(what) - strlen(what));
	json_text(q->out, NULL, what);
}

/* Whether it may still become ready. */
static int check_lives(struct request *q, uint32_t node)
{
	const struct net_program *program = net_program_of(q->lab, node);
	const char *name = q->lab->net.plan->file->t.nodes[node].name;

	if (!q->lab->net.plan->file->programs[node].ready || q->lab->net.play->ready[node].ready ||
	    !program || program->pid)
		return 0;
	return err_set(q->err, -ECHILD,
		       "the command of %s ended with status %d and was not ready: choppy logs "
		       "%s/%s",
		       name, spawn_status(program->wstatus), q->lab->spec->name, name);
}

static int do_ready(struct request *q)
{
	CLEANUP_FREE uint32_t *nodes = NULL;
	int n = need_play(q), r = 0;
	uint32_t all;

	if (n == 0)
		n = find_nodes(q, &nodes);
	if (n < 0)
		return n;
	all = n ? (uint32_t)n : q->lab->net.plan->file->t.nnodes;
	for (uint32_t i = 0; r == 0 && i < all; i++)
		r = check_lives(q, n ? nodes[i] : i);
	if (r < 0)
		return r;
	json_bool(q->out, "ready", play_ready(q->lab->net.play, nodes, (uint32_t)n));
	json_array(q->out, "waiting");
	for (uint32_t i = 0; i < all; i++)
		put_waiting(q, n ? nodes[i] : i);
	json_array_end(q->out);
	return 0;
}

static void put_node(struct request *q, uint32_t i)
{
	const struct lab *lab = q->lab;
	const struct topo_node *node = &lab->net.plan->file->t.nodes[i];
	const struct net_program *program = net_program_of(lab, i);
	char addr[INET6_ADDRSTRLEN + 4];

	json_object(q->out, NULL);
	json_text(q->out, "name", node->name);
	json_text(q->out, "kind", node_kinds[node->kind]);
	for (int f = 0; f < 2; f++) {
		const struct inet *a = blueprint_address(lab->net.plan, i, f);

		addr[0] = '\0';
		if (a && (f == 0 || lab->v6_inside))
			inet_print(addr, sizeof(addr), a, true);
		json_text(q->out, f ? "ipv6" : "ipv4", addr);
	}
	json_text(q->out, "command", !program ? "" : program->pid ? "running" : "ended");
	json_u64(q->out, "status",
		 program && !program->pid ? (uint64_t)spawn_status(program->wstatus) : 0);
	json_bool(q->out, "paused", faults_node(&lab->net.faults, VERB_PAUSE, i));
	json_bool(q->out, "asked_ready", lab->net.plan->file->programs[i].ready);
	json_bool(q->out, "ready", lab->net.play->ready[i].ready);
	json_object_end(q->out);
}

static int do_nodes(struct request *q)
{
	int r = need_play(q);

	if (r < 0)
		return r;
	json_array(q->out, "nodes");
	for (uint32_t i = 0; i < q->lab->net.plan->file->t.nnodes; i++)
		put_node(q, i);
	json_array_end(q->out);
	return 0;
}

static void put_step(struct json *j, const struct step *s)
{
	CLEANUP_FREE char *done = strdup(s->done ? s->done : "");

	json_object(j, NULL);
	json_u64(j, "due_ns", s->due_ns);
	json_u64(j, "late_ns", s->late_ns);
	json_text(j, "action", s->action);
	json_bool(j, "end", s->end);
	put_lines(j, "done", done ? done : "");
	json_text_or_null(j, "error", s->error);
	json_object_end(j);
}

static int do_timeline(struct request *q)
{
	struct play *p = q->lab->net.play;
	int r = need_play(q);

	if (r < 0)
		return r;
	json_array(q->out, "steps");
	for (uint32_t i = 0; i < p->nsteps; i++)
		put_step(q->out, &p->steps[i]);
	json_array_end(q->out);
	json_u64(q->out, "untold", p->nuntold);
	json_bool(q->out, "waiting", player_waits(p));
	return 0;
}

static int do_expectations(struct request *q)
{
	struct play *p = q->lab->net.play;
	bool decided = true;
	int r = need_play(q);

	if (r < 0)
		return r;
	json_array(q->out, "results");
	for (uint32_t i = 0; i < p->timeline->nexpects; i++) {
		const struct outcome *o = &p->outcomes[i];

		decided &= o->decided;
		json_object(q->out, NULL);
		json_text(q->out, "expect", p->timeline->expects[i].text);
		json_bool(q->out, "decided", o->decided);
		json_bool(q->out, "holds", o->holds);
		json_text(q->out, "reason", o->reason);
		json_u64(q->out, "at_ns", o->at_ns);
		json_object_end(q->out);
	}
	json_array_end(q->out);
	json_bool(q->out, "decided", decided);
	return 0;
}

static int do_down(struct request *q)
{
	return 0;
}

static int do_info(struct request *q)
{
	json_text(q->out, "vendor", "choppy");
	json_text(q->out, "product", "choppy");
	json_text(q->out, "version", CHOPPY_VERSION);
	json_text(q->out, "url", "");
	json_array(q->out, "interfaces");
	json_text(q->out, NULL, SERVICE);
	json_text(q->out, NULL, LAB_INTERFACE);
	json_array_end(q->out);
	return 0;
}

static int do_interface(struct request *q)
{
	const char *name;

	q->wrong = "interface";
	if (text_parameter(q, "interface", &name) < 0 || !name)
		return -EINVAL;
	if (strcmp(name, LAB_INTERFACE) != 0 && strcmp(name, SERVICE) != 0)
		return -ENOTUNIQ; /* told as the interface wants it */
	json_text(q->out, "description",
		  strcmp(name, LAB_INTERFACE) == 0 ? interface_text : service_text);
	return 0;
}

static const struct method {
	const char *name;
	int (*call)(struct request *q);
	bool ends; /* the lab, when it is done */
} methods[] = {
	{ LAB_INTERFACE ".Show", do_show, false },
	{ LAB_INTERFACE ".Set", do_set, false },
	{ LAB_INTERFACE ".Act", do_act, false },
	{ LAB_INTERFACE ".Enter", do_enter, false },
	{ LAB_INTERFACE ".Nodes", do_nodes, false },
	{ LAB_INTERFACE ".Ready", do_ready, false },
	{ LAB_INTERFACE ".Timeline", do_timeline, false },
	{ LAB_INTERFACE ".Expectations", do_expectations, false },
	{ LAB_INTERFACE ".Down", do_down, true },
	{ SERVICE ".GetInfo", do_info, false },
	{ SERVICE ".GetInterfaceDescription", do_interface, false },
};

static const struct method *find_method(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (strcmp(methods[i].name, name) == 0)
			return &methods[i];
	return NULL;
}

/* ------------------------------------------------------------------ server */

/* An error with one text; NULL: no memory. */
static char *error_text(const char *name, const char *key, const char *value, size_t *size)
{
	struct varlink_text t;

	if (varlink_begin(&t) < 0)
		return NULL;
	json_object(&t.json, NULL);
	json_text(&t.json, "error", name);
	json_object(&t.json, "parameters");
	json_text(&t.json, key, value);
	json_object_end(&t.json);
	json_object_end(&t.json);
	return varlink_end(&t, size);
}

static char *failed_text(const struct choppy_err *err, size_t *size)
{
	struct varlink_text t;

	if (varlink_begin(&t) < 0)
		return NULL;
	json_object(&t.json, NULL);
	json_text(&t.json, "error", LAB_INTERFACE ".Failed");
	json_object(&t.json, "parameters");
	json_i64(&t.json, "errno", -err->code);
	json_bool(&t.json, "cannot", err->cannot);
	json_text(&t.json, "message", err->msg);
	json_object_end(&t.json);
	json_object_end(&t.json);
	return varlink_end(&t, size);
}

/* The whole reply to one call of @m. */
static char *answer(const struct method *m, struct request *q, size_t *size, bool *ret_done)
{
	struct varlink_text t;
	char *text;
	int r;

	if (varlink_begin(&t) < 0)
		return NULL;
	json_object(&t.json, NULL);
	json_object(&t.json, "parameters");
	q->out = &t.json;
	r = m->call(q);
	json_object_end(&t.json);
	json_object_end(&t.json);
	text = varlink_end(&t, size);
	*ret_done = r == 0;
	if (r == 0)
		return text;
	q->nfds = 0;
	free(text);
	if (r == -ENOTUNIQ)
		return error_text(SERVICE ".InterfaceNotFound", "interface",
				  json_text_of(json_member(q->parameters, "interface")), size);
	if (q->wrong && !q->err->code)
		return error_text(SERVICE ".InvalidParameter", "parameter", q->wrong, size);
	return failed_text(q->err, size);
}

/* One message. 1: the lab shall end; -EPROTO: it is none. */
static int serve_message(struct lab *lab, struct varlink *v, const char *text, size_t size)
{
	struct fy_document *doc = json_parse(text, size);
	struct fy_node *root = doc ? fy_document_root(doc) : NULL;
	const char *name = json_text_of(json_member(root, "method"));
	const struct method *m = name ? find_method(name) : NULL;
	struct choppy_err err = { 0 };
	struct request q = { .lab = lab,
			     .parameters = json_member(root, "parameters"),
			     .err = &err };
	bool oneway = false, done = false;
	char *reply = NULL;
	size_t n = 0;
	int r = name ? 0 : -EPROTO;

	if (m)
		reply = answer(m, &q, &n, &done);
	else if (name)
		reply = error_text(SERVICE ".MethodNotFound", "method", name, &n);
	json_get_bool(json_member(root, "oneway"), &oneway);
	if (r == 0 && !oneway)
		r = reply ? varlink_put(v, reply, n, q.fds, q.nfds) : -ENOMEM;
	if (r == 0 && done && m->ends)
		r = 1;
	free(reply);
	if (doc)
		fy_document_destroy(doc);
	return r;
}

/* Whether somebody who does not read its answers has to wait with more questions. */
static bool is_full(const struct varlink *v)
{
	return v->out_len - v->out_at > WAITING_MAX;
}

short control_events(const struct varlink *v)
{
	return (short)((is_full(v) ? 0 : POLLIN) | (v->out_len ? POLLOUT : 0));
}

int control_serve(struct lab *lab, struct varlink *v, short events)
{
	const char *text;
	size_t size;
	int r = events & ~POLLOUT && !is_full(v) ? varlink_read(v) : varlink_flush(v);

	if (r == -EAGAIN)
		r = 0;
	while (r == 0 && !is_full(v) && (text = varlink_next(v, &size))) {
		int sent;

		r = serve_message(lab, v, text, size);
		sent = r < 0 ? 0 : varlink_flush(v);
		if (sent < 0 && sent != -EAGAIN)
			return sent;
	}
	return r;
}

/* ------------------------------------------------------------------ client */

static int connect_to(const struct home *home, const char *name, struct varlink *v,
		      struct choppy_err *err)
{
	const struct timeval patience = { .tv_sec = CLIENT_PATIENCE_S };
	struct sockaddr_un sa;

	v->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (v->fd < 0)
		return err_sys(err, -errno, "make a socket");
	socket_address(&sa, home, name);
	setsockopt(v->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(v->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(v->fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return 0;
	return errno == EPROTOTYPE
		       ? err_set(err, -EPROTO, "%s is kept by another version of choppy", name)
		       : err_sys(err, -errno, "the keeper of %s does not answer", name);
}

static int send_request(struct varlink *v, const struct control_ask *ask)
{
	struct varlink_text t;
	size_t size;
	char *text;
	int r = varlink_begin(&t);

	if (r < 0)
		return r;
	json_object(&t.json, NULL);
	json_text(&t.json, "method", ask->method);
	json_object(&t.json, "parameters");
	if (ask->put)
		ask->put(&t.json, ask->ctx);
	json_object_end(&t.json);
	json_object_end(&t.json);
	text = varlink_end(&t, &size);
	r = text ? varlink_put(v, text, size, NULL, 0) : -ENOMEM;
	free(text);
	return r < 0 ? r : varlink_flush(v);
}

/* What the keeper says it could not do. */
static int refused(struct fy_node *root, const char *error, struct choppy_err *err)
{
	struct fy_node *p = json_member(root, "parameters");
	const char *msg = json_text_of(json_member(p, "message"));
	bool cannot = false;
	uint64_t code = 0;

	json_get_u64(json_member(p, "errno"), &code);
	json_get_bool(json_member(p, "cannot"), &cannot);
	if (!msg || !code || code > 4095)
		return err_set(err, -EPROTO, "it is kept by another version of choppy: %s", error);
	return cannot ? err_cannot(err, -(int)code, "%s", msg)
		      : err_set(err, -(int)code, "%s", msg);
}

static int take_reply(struct varlink *v, const char *text, size_t size,
		      const struct control_ask *ask, int *ret_fds, struct choppy_err *err)
{
	struct fy_document *doc = json_parse(text, size);
	struct fy_node *root = doc ? fy_document_root(doc) : NULL;
	const char *error = json_text_of(json_member(root, "error"));
	struct fy_node *p = json_member(root, "parameters");
	int r = 0;

	if (error)
		r = refused(root, error, err);
	else if (!p || (ret_fds && v->ngot != NODE_FDS))
		r = err_set(err, -EPROTO, "it is kept by another version of choppy");
	else if (ask->get)
		r = ask->get(p, ask->ctx, err);
	if (r == 0 && ret_fds) {
		memcpy(ret_fds, v->got, NODE_FDS * sizeof(int));
		v->ngot = 0;
	}
	if (doc)
		fy_document_destroy(doc);
	return r;
}

int control_call(const struct home *home, const char *name, const struct control_ask *ask,
		 int *ret_fds, struct choppy_err *err)
{
	struct varlink v = VARLINK_NONE;
	const char *text = NULL;
	size_t size;
	char end;
	int r = connect_to(home, name, &v, err), sent = 0;

	if (r == 0) {
		r = sent = send_request(&v, ask);
		while (r == 0 && !(text = varlink_next(&v, &size)))
			r = varlink_read(&v);
		if (r < 0)
			err_sys(err, r, "the keeper of %s does not answer", name);
	}
	if (r == 0)
		r = take_reply(&v, text, size, ask, ret_fds, err);
	/* The keeper lets go of the connection when everything is undone. */
	if (r == 0 && ask->until_closed && recv(v.fd, &end, 1, 0) < 0)
		r = err_sys(err, -errno, "%s is not gone yet", name);
	varlink_close(&v);
	return r;
}
