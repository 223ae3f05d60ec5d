/* Source: I. M. Sobol 1967; the first dimension is van der Corput's sequence in base 2, the second has the primitive
 * polynomial x + 1 and m_1 = 1, so that m_j = 2 m_(j-1) xor m_(j-1) (Bratley and Fox 1988); Gray-code order is not
 * used: point i is the xor of the direction numbers at the ones of i. */
#include <math.h>

#include "study/tune.h"

void ls__sobol_point(uint32_t i, double out[2])
{
    uint32_t x = 0, y = 0, m = 1;
    for (int j = 0; j < 32; j++, m ^= m << 1) {
        if ((i >> j & 1u) == 0) continue;
        x ^= 1u << (31 - j);
        y ^= m << (31 - j);
    }
    out[0] = (double)x * 0x1p-32;
    out[1] = (double)y * 0x1p-32;
}

static double log_uniform(double u, double low, double high)
{
    return low * pow(high / low, u);
}

ls_status ls__tune_sobol(ls_tuning *tuning)
{
    const ls_study_settings *s = tuning->policy->settings;
    for (int64_t i = 1; i <= s->sobol_trials; i++) {
        double u[2];
        ls__sobol_point((uint32_t)i, u);
        const double lr = log_uniform(u[0], s->lr_min, s->lr_max);
        const double momentum =
            isnan(s->momentum_min) ? NAN : 1 - log_uniform(u[1], 1 - s->momentum_max, 1 - s->momentum_min);
        LS_TRY(ls__tuning_try(tuning, lr, momentum));
    }
    return LS_OK;
}
