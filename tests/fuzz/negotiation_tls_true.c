/* SPDX-License-Identifier: MIT */
/*
 * proxy/tls.c as it is, under other names.
 */
#define tls              true_tls
#define tls_accept       true_tls_accept
#define tls_dial         true_tls_dial
#define tls_free         true_tls_free
#define tls_output       true_tls_output
#define tls_read         true_tls_read
#define tls_write        true_tls_write
#define tls_greet        true_tls_greet
#define tls_close        true_tls_close
#define tls_ready        true_tls_ready
#define tls_version      true_tls_version
#define tls_failure      true_tls_failure
#define tls_chose_web    true_tls_chose_web
#define tls_drained      true_tls_drained
#define tls_secrets_over true_tls_secrets_over

#include "proxy/tls.c"
