/** Every optimizer with its defaults, with weight decay, and with each option of its own. */
#ifndef LOCKSTEP_TEST_OPTIMIZER_CASES_H
#define LOCKSTEP_TEST_OPTIMIZER_CASES_H

#include "optimizer_twins.h"

static const optimizer_case cases[] = {
    {"{name: sgd, lr: 0.05}", "sgd", 0.05, 0, 0, 0, 0, 0, false, false, ""},
    {"{name: sgd, lr: 0.05, weight_decay: 0.1}", "sgd", 0.05, 0.1, 0, 0, 0, 0, false, false, ""},
    {"{name: sgd, lr: 0.05, weight_decay: 0.1, decoupled_weight_decay: true}", "sgd", 0.05, 0.1, 0, 0, 0, 0, true,
     false, ""},
    {"{name: momentum, lr: 0.02}", "momentum", 0.02, 0, 0.9, 0, 0, 0, false, false, "momentum_buffer"},
    {"{name: momentum, lr: 0.02, momentum: 0.5, weight_decay: 0.1}", "momentum", 0.02, 0.1, 0.5, 0, 0, 0, false, false,
     "momentum_buffer"},
    {"{name: momentum, lr: 0.02, weight_decay: 0.1, decoupled_weight_decay: true}", "momentum", 0.02, 0.1, 0.9, 0, 0, 0,
     true, false, "momentum_buffer"},
    {"{lr: 0.02}", "momentum", 0.02, 0, 0.9, 0, 0, 0, false, false, "momentum_buffer"},
    {"{name: nesterov, lr: 0.02}", "nesterov", 0.02, 0, 0.9, 0, 0, 0, false, false, "momentum_buffer"},
    {"{name: nesterov, lr: 0.02, momentum: 0.5, weight_decay: 0.1}", "nesterov", 0.02, 0.1, 0.5, 0, 0, 0, false, false,
     "momentum_buffer"},
    {"{name: nesterov, lr: 0.02, weight_decay: 0.1, decoupled_weight_decay: true}", "nesterov", 0.02, 0.1, 0.9, 0, 0, 0,
     true, false, "momentum_buffer"},
    {"{name: adam, lr: 0.01}", "adam", 0.01, 0, 0, 0.9, 0.999, 1e-8, false, false, "exp_avg exp_avg_sq"},
    {"{name: adam, lr: 0.01, beta1: 0.7, beta2: 0.9, eps: 0.1, weight_decay: 0.1}", "adam", 0.01, 0.1, 0, 0.7, 0.9, 0.1,
     false, false, "exp_avg exp_avg_sq"},
    /* PyTorch decays by 0.01 unless told otherwise */
    {"{name: adamw, lr: 0.01}", "adamw", 0.01, 0.01, 0, 0.9, 0.999, 1e-8, true, false, "exp_avg exp_avg_sq"},
    {"{name: adamw, lr: 0.01, beta1: 0.7, beta2: 0.9, eps: 0.1, weight_decay: 0.1}", "adamw", 0.01, 0.1, 0, 0.7, 0.9,
     0.1, true, false, "exp_avg exp_avg_sq"},
    {"{name: adamw, lr: 0.01, weight_decay: 0.1, decoupled_weight_decay: false}", "adamw", 0.01, 0.1, 0, 0.9, 0.999,
     1e-8, false, false, "exp_avg exp_avg_sq"},
    {"{name: rmsprop, lr: 0.01}", "rmsprop", 0.01, 0, 0, 0, 0.99, 1e-8, false, false, "square_avg"},
    {"{name: rmsprop, lr: 0.01, alpha: 0.8, eps: 0.1, momentum: 0.5, weight_decay: 0.1}", "rmsprop", 0.01, 0.1, 0.5, 0,
     0.8, 0.1, false, false, "square_avg momentum_buffer"},
    {"{name: rmsprop, lr: 0.01, eps: 0.1, centered: true}", "rmsprop", 0.01, 0, 0, 0, 0.99, 0.1, false, true,
     "square_avg grad_avg"},
    {"{name: rmsprop, lr: 0.01, eps: 0.1, centered: true, momentum: 0.9, weight_decay: 0.1, decoupled_weight_decay: "
     "true}",
     "rmsprop", 0.01, 0.1, 0.9, 0, 0.99, 0.1, true, true, "square_avg grad_avg momentum_buffer"},
    {"{name: lars, lr: 2}", "lars", 2, 0, 0.9, 0, 0, 0.001, false, false, "momentum_buffer"},
    {"{name: lars, lr: 0.5, momentum: 0.5, trust: 0.02, weight_decay: 0.1}", "lars", 0.5, 0.1, 0.5, 0, 0, 0.02, false,
     false, "momentum_buffer"},
    {"{name: lars, lr: 0.5, trust: 0.02, weight_decay: 0.1, decoupled_weight_decay: true}", "lars", 0.5, 0.1, 0.9, 0, 0,
     0.02, true, false, "momentum_buffer"},
    {"{name: lamb, lr: 0.01}", "lamb", 0.01, 0.01, 0, 0.9, 0.999, 1e-6, true, false, "exp_avg exp_avg_sq"},
    {"{name: lamb, lr: 0.01, weight_decay: 0}", "lamb", 0.01, 0, 0, 0.9, 0.999, 1e-6, true, false,
     "exp_avg exp_avg_sq"},
    {"{name: lamb, lr: 0.01, beta1: 0.7, beta2: 0.9, eps: 0.1, weight_decay: 0.1, decoupled_weight_decay: false}",
     "lamb", 0.01, 0.1, 0, 0.7, 0.9, 0.1, false, false, "exp_avg exp_avg_sq"},
};
enum { N_CASES = sizeof cases / sizeof cases[0] };

#endif
