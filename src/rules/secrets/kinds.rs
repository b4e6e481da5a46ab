//! The table of the kinds of secrets. Formats are their issuers' own, as
//! documented by them or as their tokens show.

/// Where the regular expression is anchored, relative to the keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    /// At the keyword, which begins the value: no letter or digit stands before it.
    Token,
    /// As `Token`, for values in base64url: no `-` or `_` before it either.
    Base64Url,
    /// At the keyword, whatever is before it: the keyword is context.
    Context,
    /// After the keyword, whatever is before it.
    After,
    /// At the first of at most so many letters and digits before the keyword.
    Before(usize),
}

/// What else must be true of a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// Nothing.
    None,
    /// It is a URL with a password that is neither a dummy nor for a local service.
    Url,
    /// It is an assignment (without a group: the value comes after), and the value
    /// looks random.
    Generic,
}

/// One kind of secret.
#[derive(Debug)]
pub(super) struct Kind {
    /// Stable: part of fingerprints, and what `skip_kinds` takes.
    pub name: &'static str,
    /// What a finding calls it, with its article.
    pub label: &'static str,
    /// One of these must be there.
    pub keywords: &'static [&'static str],
    /// Whether the keywords' case matters.
    pub exact: bool,
    pub anchor: Anchor,
    /// Anchored at its start; the group is the value.
    pub pattern: &'static str,
    /// What the value must have at least, in bits per byte.
    pub entropy: f64,
    pub check: Check,
}

const fn token(
    name: &'static str,
    label: &'static str,
    keywords: &'static [&'static str],
    pattern: &'static str,
) -> Kind {
    Kind {
        name,
        label,
        keywords,
        exact: true,
        anchor: Anchor::Token,
        pattern,
        entropy: 3.0,
        check: Check::None,
    }
}

const fn context(
    name: &'static str,
    label: &'static str,
    keywords: &'static [&'static str],
    pattern: &'static str,
    entropy: f64,
) -> Kind {
    Kind {
        name,
        label,
        keywords,
        exact: false,
        anchor: Anchor::Context,
        pattern,
        entropy,
        check: Check::None,
    }
}

/// Where two kinds claim the same bytes, the earlier has them.
pub(super) static KINDS: &[Kind] = &[
    Kind {
        // Short and of few characters: a random one may have little entropy.
        entropy: 2.5,
        ..token(
            "aws-access-key-id",
            "an AWS access key id",
            &["AKIA", "ASIA", "ABIA", "ACCA"],
            r"(A...[A-Z2-7]{16})\b",
        )
    },
    context(
        "aws-secret-access-key",
        "an AWS secret access key",
        &[
            "secret_access_key",
            "secretaccesskey",
            "secret-access-key",
            "aws_secret",
            "aws-secret",
            "awssecret",
        ],
        r#"(?i)[a-z_.\-]{6,40}["'`\])]{0,2}\s{0,8}(?:=>|:=|=|:|,)\s{0,8}["'`]?([A-Za-z0-9/+]{40})(?:[^A-Za-z0-9/+=]|$)"#,
        4.0,
    ),
    token(
        "github-token",
        "a GitHub token",
        &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
        r"(gh[pousr]_[A-Za-z0-9]{36,255})\b",
    ),
    token(
        "github-fine-grained-token",
        "a GitHub token",
        &["github_pat_"],
        r"(github_pat_[A-Za-z0-9_]{60,255})\b",
    ),
    token(
        "gitlab-token",
        "a GitLab token",
        &["glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glft-", "glsoat-", "glagent-", "gloas-", "glimt-"],
        r"(gl[a-z]{2,5}-[A-Za-z0-9_\-]{20,300}(?:\.[a-z0-9]{2}\.[a-z0-9]{7,9})?)",
    ),
    token(
        "slack-token",
        "a Slack token",
        &["xoxa-", "xoxb-", "xoxe-", "xoxe.", "xoxo-", "xoxp-", "xoxr-", "xoxs-", "xoxc-", "xoxd-", "xapp-"],
        r"((?:xox[a-z][\-.]|xapp-)(?:[A-Za-z0-9.%]{1,24}-){0,6}[A-Za-z0-9%]{16,400})(?:[^A-Za-z0-9%\-]|$)",
    ),
    context(
        "slack-webhook",
        "a Slack webhook",
        &["hooks.slack.com/"],
        r"(?i:hooks\.slack\.com)/(?:services|workflows|triggers)/([A-Za-z0-9/+]{40,120})",
        3.0,
    ),
    token(
        "stripe-key",
        "a Stripe live key",
        &["sk_live_", "rk_live_"],
        r"([sr]k_live_[A-Za-z0-9]{16,250})\b",
    ),
    token("google-api-key", "a Google API key", &["AIza"], r"(AIza[A-Za-z0-9_\-]{35})(?:[^A-Za-z0-9_\-]|$)"),
    token(
        "google-oauth-secret",
        "a Google OAuth client secret",
        &["GOCSPX-"],
        r"(GOCSPX-[A-Za-z0-9_\-]{28})(?:[^A-Za-z0-9_\-]|$)",
    ),
    context(
        "gcp-service-account",
        "a Google service account's key",
        &["private_key_id"],
        r#"(?i:private_key_id)\\?["']?\s{0,8}[:=]\s{0,8}\\?["']?([0-9a-f]{40})\b"#,
        3.0,
    ),
    token(
        "anthropic-key",
        "an Anthropic API key",
        &["sk-ant-"],
        r"(sk-ant-[a-z]{2,8}[0-9]{2}-[A-Za-z0-9_\-]{32,200})",
    ),
    token(
        "openai-key",
        "an OpenAI API key",
        &["sk-proj-", "sk-svcacct-", "sk-admin-", "sk-None-"],
        r"(sk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_\-]{32,250})",
    ),
    token("openrouter-key", "an OpenRouter API key", &["sk-or-v1-"], r"(sk-or-v1-[0-9a-f]{64})\b"),
    Kind {
        // The older keys, and those of services that imitate them.
        entropy: 3.2,
        ..token(
            "sk-key",
            "an API key (sk-…)",
            &["sk-"],
            r"(sk-(?:[A-Za-z0-9]{48}|[0-9a-f]{32}))(?:[^A-Za-z0-9_\-]|$)",
        )
    },
    token("groq-key", "a Groq API key", &["gsk_"], r"(gsk_[A-Za-z0-9]{52})\b"),
    token("xai-key", "an xAI API key", &["xai-"], r"(xai-[A-Za-z0-9]{80})\b"),
    token("perplexity-key", "a Perplexity API key", &["pplx-"], r"(pplx-[A-Za-z0-9]{48})\b"),
    token("replicate-token", "a Replicate token", &["r8_"], r"(r8_[A-Za-z0-9]{37})\b"),
    token("huggingface-token", "a Hugging Face token", &["hf_"], r"(hf_[A-Za-z0-9]{34,40})\b"),
    token("npm-token", "an npm token", &["npm_"], r"(npm_[A-Za-z0-9]{36})\b"),
    context(
        "npmrc-token",
        "an npm registry token",
        &["_authToken"],
        r#"(?i:_authToken)\s{0,4}=\s{0,4}["']?([A-Za-z0-9_\-+/=]{20,200})"#,
        3.0,
    ),
    token("pypi-token", "a PyPI token", &["pypi-AgE"], r"(pypi-AgE[A-Za-z0-9_\-]{50,1000})"),
    token("cratesio-token", "a crates.io token", &["cio"], r"(cio[A-Za-z0-9]{32})\b"),
    token("rubygems-key", "a RubyGems API key", &["rubygems_"], r"(rubygems_[0-9a-f]{48})\b"),
    token(
        "dockerhub-token",
        "a Docker Hub token",
        &["dckr_pat_", "dckr_oat_"],
        r"(dckr_[po]at_[A-Za-z0-9_\-]{27,32})",
    ),
    token(
        "sendgrid-key",
        "a SendGrid API key",
        &["SG."],
        r"(SG\.[A-Za-z0-9_\-]{22}\.[A-Za-z0-9_\-]{43})(?:[^A-Za-z0-9_\-]|$)",
    ),
    token(
        "twilio-key",
        "a Twilio API key",
        &[
            "SK0", "SK1", "SK2", "SK3", "SK4", "SK5", "SK6", "SK7", "SK8", "SK9", "SKa", "SKb", "SKc", "SKd",
            "SKe", "SKf",
        ],
        r"(SK[0-9a-f]{32})\b",
    ),
    token("mailgun-key", "a Mailgun API key", &["key-"], r"(key-[0-9a-f]{32})\b"),
    Kind {
        anchor: Anchor::Before(10),
        ..token(
            "telegram-token",
            "a Telegram bot token",
            &[":AA"],
            r"([0-9]{8,10}:AA[A-Za-z0-9_\-]{33})(?:[^A-Za-z0-9_\-]|$)",
        )
    },
    Kind {
        anchor: Anchor::Base64Url,
        // A bot's numeric id in base64 comes first: three digits make one of these.
        ..token(
            "discord-token",
            "a Discord bot token",
            &[
                "MTA", "MTE", "MTI", "MTM", "MTQ", "MTU", "MTY", "MTc", "MTg", "MTk", "MjA", "MjE", "MjI",
                "MjM", "MjQ", "MjU", "MjY", "Mjc", "Mjg", "Mjk", "MzA", "MzE", "MzI", "MzM", "MzQ", "MzU",
                "MzY", "Mzc", "Mzg", "Mzk", "NDA", "NDE", "NDI", "NDM", "NDQ", "NDU", "NDY", "NDc", "NDg",
                "NDk", "NTA", "NTE", "NTI", "NTM", "NTQ", "NTU", "NTY", "NTc", "NTg", "NTk", "NjA", "NjE",
                "NjI", "NjM", "NjQ", "NjU", "NjY", "Njc", "Njg", "Njk", "NzA", "NzE", "NzI", "NzM", "NzQ",
                "NzU", "NzY", "Nzc", "Nzg", "Nzk", "ODA", "ODE", "ODI", "ODM", "ODQ", "ODU", "ODY", "ODc",
                "ODg", "ODk", "OTA", "OTE", "OTI", "OTM", "OTQ", "OTU", "OTY", "OTc", "OTg", "OTk",
            ],
            r"([MNO][A-Za-z0-9]{22,27}\.[A-Za-z0-9_\-]{6}\.[A-Za-z0-9_\-]{27,38})(?:[^A-Za-z0-9_\-]|$)",
        )
    },
    context(
        "discord-webhook",
        "a Discord webhook",
        &["discord.com/api/webhooks/", "discordapp.com/api/webhooks/"],
        r"(?i:discord(?:app)?\.com/api/webhooks)/[0-9]{17,20}/([A-Za-z0-9_\-]{60,80})",
        3.0,
    ),
    token(
        "digitalocean-token",
        "a DigitalOcean token",
        &["dop_v1_", "doo_v1_", "dor_v1_"],
        r"(do[opr]_v1_[0-9a-f]{64})\b",
    ),
    token("databricks-token", "a Databricks token", &["dapi"], r"(dapi[0-9a-f]{32}(?:-[0-9])?)\b"),
    context(
        "azure-storage-key",
        "an Azure storage or service bus key",
        &["AccountKey=", "SharedAccessKey="],
        r"(?i:[a-z]+Key)=((?:[A-Za-z0-9/+]{86}==)|(?:[A-Za-z0-9/+]{43}=))",
        4.0,
    ),
    token(
        "shopify-token",
        "a Shopify token",
        &["shpat_", "shpca_", "shppa_", "shpss_"],
        r"(shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32})\b",
    ),
    token(
        "square-token",
        "a Square token",
        &["sq0atp-", "sq0csp-"],
        r"(sq0(?:atp|csp)-[A-Za-z0-9_\-]{22,43})",
    ),
    token("linear-key", "a Linear API key", &["lin_api_"], r"(lin_api_[A-Za-z0-9]{40})\b"),
    token("notion-token", "a Notion token", &["ntn_"], r"(ntn_[0-9]{11}[A-Za-z0-9]{35})\b"),
    token("figma-token", "a Figma token", &["figd_"], r"(figd_[A-Za-z0-9_\-]{40})"),
    token("postman-key", "a Postman API key", &["PMAK-"], r"(PMAK-[0-9a-f]{24}-[0-9a-f]{34})\b"),
    token("newrelic-key", "a New Relic key", &["NRAK-"], r"(NRAK-[A-Z0-9]{27})\b"),
    token(
        "grafana-token",
        "a Grafana token",
        &["glsa_", "glc_ey"],
        r"(glsa_[A-Za-z0-9]{32}_[0-9a-fA-F]{8}|glc_ey[A-Za-z0-9+/]{32,400})",
    ),
    token(
        "sentry-token",
        "a Sentry token",
        &["sntrys_", "sntryu_"],
        r"(sntrys_eyJ[A-Za-z0-9+/=_]{80,400}|sntryu_[0-9a-f]{64}\b)",
    ),
    token("vault-token", "a Vault token", &["hvs.", "hvb."], r"(hv[sb]\.[A-Za-z0-9_\-]{24,300})"),
    Kind {
        anchor: Anchor::Before(14),
        ..token(
            "terraform-token",
            "a Terraform Cloud token",
            &[".atlasv1."],
            r"([A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_\-=]{60,70})",
        )
    },
    token("pulumi-token", "a Pulumi token", &["pul-"], r"(pul-[0-9a-f]{40})\b"),
    token(
        "doppler-token",
        "a Doppler token",
        &["dp.pt.", "dp.st."],
        r"(dp\.(?:pt\.|st\.(?:[a-z0-9_\-]{2,35}\.)?)[A-Za-z0-9]{40,44})\b",
    ),
    token(
        "tailscale-key",
        "a Tailscale key",
        &["tskey-"],
        r"(tskey-[a-z]+-[A-Za-z0-9]{8,24}-[A-Za-z0-9]{16,40})\b",
    ),
    token("atlassian-token", "an Atlassian token", &["ATATT3"], r"(ATATT3[A-Za-z0-9_\-=]{100,250})"),
    token(
        "age-secret-key",
        "an age secret key",
        &["AGE-SECRET-KEY-1"],
        r"(AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58})\b",
    ),
    Kind {
        anchor: Anchor::Base64Url,
        ..token(
            "jwt",
            "a JSON Web Token",
            &["eyJ"],
            r"(eyJ[A-Za-z0-9_\-]{14,}\.eyJ[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{20,})",
        )
    },
    Kind {
        check: Check::Url,
        ..context(
            "url-password",
            "a URL with a password",
            &["://"],
            r#"://[^\s/?#:@'"`<>\\]{0,80}:([^\s/?#@'"`<>\\]{4,200})@[A-Za-z0-9.\-\[\]:]+"#,
            2.0,
        )
    },
    Kind {
        anchor: Anchor::After,
        check: Check::Generic,
        ..context(
            "generic",
            "a password, token or key with a random value",
            &[
                "password",
                "passwd",
                "passphrase",
                "pwd",
                "secret",
                "token",
                "api_key",
                "api-key",
                "apikey",
                "access_key",
                "access-key",
                "accesskey",
                "auth_key",
                "authkey",
                "credential",
                "encryption_key",
                "encryptionkey",
                "signing_key",
                "signingkey",
                "master_key",
                "masterkey",
                "private_key",
                "privatekey",
            ],
            // The rest of the name, a closing quote, a type, an assignment. What
            // follows the match is the value: `generic` reads it.
            concat!(
                r#"[A-Za-z0-9_.\-]{0,32}\\?["'`\])]{0,2}[ \t]{0,20}"#,
                r"(?::[ \t]{0,4}[&A-Za-z][A-Za-z0-9_<>:'& ]{0,20} =|=>|:=|\?=|={1,3}|:)[ \t]{0,20}",
            ),
            0.0,
        )
    },
];
