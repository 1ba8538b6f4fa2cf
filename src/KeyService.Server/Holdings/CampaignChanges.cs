using System.Security.Cryptography;
using Google.Protobuf;
using KeyService.Crypto;
using KeyService.Protocol.V1;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using KeyState = KeyService.Server.Keys.KeyState;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Holdings;

/// <summary>The changes of campaigns, each inside the transaction that also holds its audit record.</summary>
internal sealed class CampaignChanges(CampaignProving proving, RowAuthenticator rows)
{
    /// <summary>Versions of a key that one campaign takes at most.</summary>
    private const int MostVersions = 1000;

    private readonly CampaignTables _campaigns = new(rows);
    private readonly KeyTables _keys = new(rows);

    /// <exception cref="Refusal">ALREADY_EXISTS; ACCESS_DENIED when there is no such key; KEY_STATE when a version is active or none is left
    /// over; INVALID_ARGUMENT.</exception>
    public async Task<Campaign> StartAsync(IStoreTransaction transaction, Campaign wanted)
    {
        if (await FindAsync(transaction, wanted.Name) is not null)
        {
            throw Refusal.AlreadyExists($"A campaign named {wanted.Name}");
        }

        if (await _keys.FindKeyAsync(transaction.Connection, transaction.Transaction, wanted.Key, CancellationToken.None) is null)
        {
            throw Refusal.NotFound($"Key '{wanted.Key}'");
        }

        var campaign = wanted with
        {
            Versions = wanted.Versions.Count > 0 ? await CheckedAsync(transaction, wanted) : await LeftOverAsync(transaction, wanted.Key),
            StartTime = transaction.Time,
        };
        await _campaigns.InsertAsync(transaction, campaign);
        return campaign;
    }

    /// <summary>Ends a campaign with its proof, or without one when it is given up.</summary>
    /// <exception cref="Refusal">NOT_FOUND; INVALID_ARGUMENT when it has ended; STILL_NEEDED with what is missing to the proof.</exception>
    public async Task<EndCampaignResponse> EndAsync(IStoreTransaction transaction, string name, bool abandon, bool acceptPinned, string by)
    {
        var before = await FindAsync(transaction, name) ?? throw Refusal.NotFound($"Campaign '{name}'");
        if (before.State != CampaignState.Running)
        {
            throw Refusal.InvalidArgument("name", "is a campaign that has ended");
        }

        var after = before with
        {
            State = abandon ? CampaignState.Abandoned : CampaignState.Proven,
            EndedBy = by,
            EndTime = transaction.Time,
            Proof = abandon ? null : (await ProveAsync(transaction, before, acceptPinned, by)).ToByteArray(),
            Revision = before.Revision + 1,
        };
        await _campaigns.UpdateAsync(transaction, after);
        var response = new EndCampaignResponse { Campaign = HoldingMessages.ToWire(after) };
        if (after.Proof is { } proof)
        {
            response.Proof = Wire.CampaignProof.Parser.ParseFrom(proof);
            response.ProofSha256 = Convert.ToHexStringLower(SHA256.HashData(proof));
        }

        return response;
    }

    private async Task<Wire.CampaignProof> ProveAsync(IStoreTransaction transaction, Campaign campaign, bool acceptPinned, string by)
    {
        var (holdings, retired) = await proving.StandAsync(transaction.Connection, transaction.Transaction, campaign, CancellationToken.None);
        var missing = CampaignProving.Missing(holdings, acceptPinned);
        return missing.Count == 0
            ? CampaignProving.Prove(campaign, holdings, retired, by, transaction.Time)
            : throw new Refusal(
                Reason.StillNeeded,
                $"The campaign is not at its end: {string.Join("; ", missing)}. Run it where these are, and end it then; or give it up.");
    }

    private async Task<IReadOnlyList<KeyVersionId>> CheckedAsync(IStoreTransaction transaction, Campaign wanted)
    {
        for (var index = 0; index < wanted.Versions.Count; index++)
        {
            var id = wanted.Versions[index];
            var version = await _keys.FindVersionAsync(transaction.Connection, transaction.Transaction, id, CancellationToken.None);
            if (version is null || version.KeyName != wanted.Key || wanted.Versions.Take(index).Contains(id))
            {
                throw Refusal.InvalidArgument($"key_versions[{index}]", $"must be a version of {wanted.Key}, none twice");
            }

            if (!MayBeLeftBehind(version.State))
            {
                throw new Refusal(Reason.KeyState, $"Version {id} of {wanted.Key} protects still, or is not yet in use. Rotate the key first.");
            }
        }

        return [.. wanted.Versions.Order()];
    }

    private async Task<IReadOnlyList<KeyVersionId>> LeftOverAsync(IStoreTransaction transaction, string key)
    {
        var versions = await _keys.ListVersionsAsync(
            transaction.Connection, key, KeyVersionPlace.Start.CreatedAt, KeyVersionPlace.Start.Id, MostVersions + 1, CancellationToken.None);
        var left = versions.Where(version => MayBeLeftBehind(version.State)).Select(version => version.Id).Order().ToList();
        return left.Count switch
        {
            0 => throw new Refusal(Reason.KeyState, $"{key} has no version but the active one: there is nothing to leave behind. Rotate the key first."),
            > MostVersions => throw Refusal.InvalidArgument("key_versions", "name at most 1,000 of the key's versions"),
            _ => left,
        };
    }

    private static bool MayBeLeftBehind(KeyState state) =>
        !KeyStates.MayProtect(state) && state is not (KeyState.PreActivation or KeyState.Destroyed);

    private Task<Campaign?> FindAsync(IStoreTransaction transaction, string name) =>
        _campaigns.FindAsync(transaction.Connection, transaction.Transaction, name, CancellationToken.None);
}
