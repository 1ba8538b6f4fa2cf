using System.Collections.Frozen;

namespace KeyService.Server.Places;

/// <summary>The policies in memory: most principals have none, and their calls pay a look into a dictionary. Thread safe.</summary>
internal sealed class PlaceRegister
{
    private volatile FrozenDictionary<string, PlacePolicy> _policies = FrozenDictionary<string, PlacePolicy>.Empty;
    private readonly Lock _gate = new();

    /// <summary>Null: not watched.</summary>
    public PlacePolicy? Of(string principal) => _policies.TryGetValue(principal, out var policy) && policy.Most > 0 ? policy : null;

    public void Take(IEnumerable<PlacePolicy> all)
    {
        lock (_gate)
        {
            _policies = all.ToFrozenDictionary(each => each.Principal, StringComparer.Ordinal);
        }
    }

    public void Apply(PlacePolicy policy)
    {
        lock (_gate)
        {
            if (!_policies.TryGetValue(policy.Principal, out var known) || known.Revision < policy.Revision)
            {
                _policies = _policies.Values.Where(each => each.Principal != policy.Principal).Append(policy).ToFrozenDictionary(each => each.Principal, StringComparer.Ordinal);
            }
        }
    }
}
