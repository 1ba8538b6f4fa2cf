using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using KeyService.Client.Internal;
using KeyService.Crypto;
using KeyService.Protocol.V1;

namespace KeyService.Client;

/// <summary>The calls of <c>keyservice.v1.Access</c>.</summary>
public sealed class AccessCalls
{
    private readonly Access.AccessClient access;
    private readonly CallRunner runner;

    internal AccessCalls(CallInvoker invoker, CallRunner runner)
    {
        access = new Access.AccessClient(invoker);
        this.runner = runner;
    }

    /// <summary>The caller's own principal and grants.</summary>
    public Task<WhoAmIResponse> WhoAmIAsync(CancellationToken cancellation = default) =>
        runner.UnaryAsync(o => access.WhoAmIAsync(new WhoAmIRequest(), o), cancellation);

    /// <summary>Registers a principal.</summary>
    public async Task<Principal> CreatePrincipalAsync(
        string name, PrincipalType type, Credential credential, string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new CreatePrincipalRequest { RequestId = RequestId.OrNew(requestId), Name = name, Type = type, Credential = credential };
        return (await runner.UnaryAsync(o => access.CreatePrincipalAsync(request, o), cancellation).ConfigureAwait(false)).Principal;
    }

    /// <summary>Refuses a principal everywhere, from the answer on.</summary>
    public async Task<Principal> DisablePrincipalAsync(string name, string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new DisablePrincipalRequest { RequestId = RequestId.OrNew(requestId), Name = name };
        return (await runner.UnaryAsync(o => access.DisablePrincipalAsync(request, o), cancellation).ConfigureAwait(false)).Principal;
    }

    /// <summary>All principals, page by page.</summary>
    public IAsyncEnumerable<Principal> ListPrincipalsAsync(CancellationToken cancellation = default) =>
        Pages.ItemsAsync(
            runner, (token, o) => access.ListPrincipalsAsync(new ListPrincipalsRequest { PageSize = Pages.Size, PageToken = token }, o),
            page => page.Principals, page => page.NextPageToken, cancellation);

    /// <summary>
    /// Grants permissions and roles on a key pattern to a principal, until a time or for good, within terms: what the context must hold (an
    /// <see cref="EncryptionContext"/> for exact pairs), and how much may be done.
    /// </summary>
    public async Task<Grant> CreateGrantAsync(
        string principal, IEnumerable<string> permissions, string keyPattern, GrantTerms terms, DateTimeOffset? expires = null,
        IEnumerable<string>? roles = null, string? requestId = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(terms);
        var request = new CreateGrantRequest
        {
            RequestId = RequestId.OrNew(requestId),
            Principal = principal,
            KeyPattern = keyPattern,
            ContextConstraint = Contexts.ToMessage(terms.Constraint.ExactPairs()),
            ExpireTime = expires is { } time ? Timestamp.FromDateTimeOffset(time) : null,
        };
        request.Permissions.AddRange(permissions);
        request.Roles.AddRange(roles ?? []);
        request.ContextRules.AddRange(RulesOf(terms));
        request.Quotas.AddRange(QuotasOf(terms));
        return (await runner.UnaryAsync(o => access.CreateGrantAsync(request, o), cancellation).ConfigureAwait(false)).Grant;
    }

    /// <summary>Who may do what now: a row for each permission that a grant in force gives to an enabled principal; of one, or of all (empty).</summary>
    public IAsyncEnumerable<EffectiveAccess> ListEffectiveAccessAsync(string principal = "", CancellationToken cancellation = default) =>
        Pages.ItemsAsync(
            runner, (token, o) => access.ListEffectiveAccessAsync(new ListEffectiveAccessRequest { Principal = principal, PageSize = Pages.Size, PageToken = token }, o),
            page => page.Rows, page => page.NextPageToken, cancellation);

    /// <summary>Whether a principal may do something, and why or why not.</summary>
    /// <param name="principal">Its name.</param>
    /// <param name="permission">The permission's name.</param>
    /// <param name="key">The key's name; empty for what concerns no key.</param>
    /// <param name="context">The call's context.</param>
    /// <param name="cancellation">Cancels the call.</param>
    public Task<ExplainAccessResponse> ExplainAccessAsync(
        string principal, string permission, string key, EncryptionContext context, CancellationToken cancellation = default)
    {
        var request = new ExplainAccessRequest { Principal = principal, Permission = permission, Key = key, Context = Contexts.ToMessage(context) };
        return runner.UnaryAsync(o => access.ExplainAccessAsync(request, o), cancellation);
    }

    /// <summary>A role change: revokes every grant of a principal and gives the new ones, in one commit. What was revoked and created is the mover report.</summary>
    public Task<MovePrincipalResponse> MovePrincipalAsync(
        string principal, IEnumerable<NewGrant> grants, string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new MovePrincipalRequest { RequestId = RequestId.OrNew(requestId), Principal = principal };
        request.Grants.AddRange(grants);
        return runner.UnaryAsync(o => access.MovePrincipalAsync(request, o), cancellation);
    }

    /// <summary>When principals who have left were disabled and last called; at most 1,000.</summary>
    public async Task<IReadOnlyList<LeaverReport>> ReportLeaversAsync(IEnumerable<Leaver> leavers, CancellationToken cancellation = default)
    {
        var request = new ReportLeaversRequest();
        request.Leavers.AddRange(leavers);
        return (await runner.UnaryAsync(o => access.ReportLeaversAsync(request, o), cancellation).ConfigureAwait(false)).Reports;
    }

    /// <summary>Ends a grant.</summary>
    public async Task<Grant> RevokeGrantAsync(string id, string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new RevokeGrantRequest { RequestId = RequestId.OrNew(requestId), Id = id };
        return (await runner.UnaryAsync(o => access.RevokeGrantAsync(request, o), cancellation).ConfigureAwait(false)).Grant;
    }

    /// <summary>Grants of one principal, or of all (empty), page by page.</summary>
    public IAsyncEnumerable<Grant> ListGrantsAsync(string principal = "", CancellationToken cancellation = default) =>
        Pages.ItemsAsync(
            runner, (token, o) => access.ListGrantsAsync(new ListGrantsRequest { Principal = principal, PageSize = Pages.Size, PageToken = token }, o),
            page => page.Grants, page => page.NextPageToken, cancellation);

    /// <summary>The server's clock as its HTTP answer shows it (whole seconds), for callers who may not read its status.</summary>
    internal Task<DateTimeOffset?> ServerClockAsync(CancellationToken cancellation) =>
        runner.UnaryAsync(o => access.WhoAmIAsync(new WhoAmIRequest(), o), async call =>
        {
            var headers = await call.ResponseHeadersAsync.ConfigureAwait(false);
            _ = await call.ResponseAsync.ConfigureAwait(false);
            return DateTimeOffset.TryParse(headers.GetValue("date"), System.Globalization.CultureInfo.InvariantCulture,
                System.Globalization.DateTimeStyles.AssumeUniversal, out var time) ? time : (DateTimeOffset?)null;
        }, cancellation);

    /// <summary>A grant for <see cref="MovePrincipalAsync"/>.</summary>
    public static NewGrant NewGrant(
        IEnumerable<string> permissions, string keyPattern, GrantTerms terms, DateTimeOffset? expires = null, IEnumerable<string>? roles = null)
    {
        ArgumentNullException.ThrowIfNull(terms);
        var grant = new NewGrant
        {
            KeyPattern = keyPattern,
            ContextConstraint = Contexts.ToMessage(terms.Constraint.ExactPairs()),
            ExpireTime = expires is { } time ? Timestamp.FromDateTimeOffset(time) : null,
        };
        grant.Permissions.AddRange(permissions);
        grant.Roles.AddRange(roles ?? []);
        grant.ContextRules.AddRange(RulesOf(terms));
        grant.Quotas.AddRange(QuotasOf(terms));
        return grant;
    }

    private static IEnumerable<Protocol.V1.ContextRule> RulesOf(GrantTerms terms) =>
        terms.Constraint.Rules.Where(rule => rule.Kind != ContextRuleKind.Exact).Select(ToMessage);

    private static IEnumerable<Protocol.V1.Quota> QuotasOf(GrantTerms terms) => terms.Quotas.Select(quota => new Protocol.V1.Quota
    {
        Measure = (Protocol.V1.QuotaMeasure)quota.Measure, Window = (Protocol.V1.QuotaWindow)quota.Window, Limit = quota.Limit,
    });

    private static Protocol.V1.ContextRule ToMessage(Crypto.ContextRule rule)
    {
        if (rule.Kind == ContextRuleKind.Prefix)
        {
            return new() { Key = rule.Key, Prefix = rule.Values[0] };
        }
        var message = new Protocol.V1.ContextRule { Key = rule.Key, OneOf = new ValueSet() };
        message.OneOf.Values.AddRange(rule.Values);
        return message;
    }
}
