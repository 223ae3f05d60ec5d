/* y = body(x) + x, or body(x) + shortcut(x).  Source: He, Zhang, Ren, Sun 2015, "Deep residual learning for image
 * recognition".  Its three layers of the flat list are described in residual.h. */
#include "model/residual.h"

#include <string.h>

#include "math/vec.h"

static const ls_option residual_table[] = {
    {.key = "body",
     .kind = LS_OPTION_NODE,
     .offset = offsetof(ls_residual_options, body),
     .help = "list of layers; their output has the shape of what it is added to"},
    {.key = "shortcut",
     .kind = LS_OPTION_NODE,
     .offset = offsetof(ls_residual_options, shortcut),
     .fallback = "~",
     .help = "list of layers on the way around the body, such as a projection; "
             "null: the input itself"},
    {0}};

static ls_status begin_plan(ls_layer *layer)
{
    layer->out = layer->in;
    return LS_OK;
}

static ls_status branch_plan(ls_layer *layer)
{
    layer->out = layer->beside;
    return LS_OK;
}

static ls_status residual_plan(ls_layer *layer)
{
    const ls_residual_options *o = layer->options;
    const ls_shape *a = &layer->in, *b = &layer->beside;
    char in[96], beside[96];
    bool same = a->n_dim == b->n_dim;
    for (int i = 0; same && i < a->n_dim; i++) same = a->dim[i] == b->dim[i];
    LS_REQUIRE(same, LS_EUSAGE, "the body gives %s, the %s %s: they are added and must have one shape%s",
               ls_shape_text(o->shortcut ? b : a, in), o->shortcut ? "shortcut" : "block's input",
               ls_shape_text(o->shortcut ? a : b, beside),
               o->shortcut ? "" : "; give the block a 'shortcut' that changes the shape alike");
    layer->out = layer->in;
    return LS_OK;
}

/* y lies where x, or the output of layer `skip`, lies */
static void passed_on(const ls_layer *l, const ls_pass *pass, const float *x, float *y)
{
    (void)l;
    (void)pass;
    (void)x;
    (void)y;
}

static void residual_forward(const ls_layer *l, const ls_pass *pass, const float *x, float *y)
{
    ls_vec_add(pass->n_rows * l->n_out, x, pass->skip, y);
}

static void residual_backward(const ls_layer *l, const ls_pass *pass, const float *x, const float *y, const float *dy,
                              float *dx)
{
    (void)x;
    (void)y;
    const size_t bytes = (size_t)(pass->n_rows * l->n_out) * sizeof *dy;
    memcpy(pass->skip, dy, bytes);
    if (dx != dy) memcpy(dx, dy, bytes);
}

/* In: dy is the shortcut's input gradient [n_out], the store the block's dy [n_in].  Out: the other way round. */
static void branch_backward(const ls_layer *l, const ls_pass *pass, const float *x, const float *y, const float *dy,
                            float *dx)
{
    (void)x;
    (void)y;
    const int64_t n = pass->n_rows * (l->n_in > l->n_out ? l->n_in : l->n_out);
    for (int64_t i = 0; i < n; i++) {
        const float kept = pass->skip[i];
        pass->skip[i] = dy[i];
        dx[i] = kept;
    }
}

static void begin_backward(const ls_layer *l, const ls_pass *pass, const float *x, const float *y, const float *dy,
                           float *dx)
{
    (void)x;
    (void)y;
    if (dx != NULL) ls_vec_add(pass->n_rows * l->n_out, dy, pass->skip, dx);
}

const ls_layer_ops ls__residual_begin = {.name = "residual",
                                         .in_place = true,
                                         .needs_y = true,
                                         .passes_on = true,
                                         .plan = begin_plan,
                                         .forward = passed_on,
                                         .backward = begin_backward};

const ls_layer_ops ls__residual_branch = {.name = "residual",
                                          .in_place = true,
                                          .needs_y = true,
                                          .passes_on = true,
                                          .plan = branch_plan,
                                          .forward = passed_on,
                                          .backward = branch_backward};

const ls_layer_ops ls__layer_residual = {.name = "residual",
                                         .help = "y = body(x) + x, or body(x) + shortcut(x)",
                                         .options = residual_table,
                                         .options_size = sizeof(ls_residual_options),
                                         .shorthand = "body",
                                         .in_place = true,
                                         .plan = residual_plan,
                                         .forward = residual_forward,
                                         .backward = residual_backward};
