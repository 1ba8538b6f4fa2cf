using System.Text;
using Google.Protobuf;
using KeyService.Crypto;
using KeyService.Protocol.V1;
using KeyService.Server.Ciphering;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;
using KeyVersion = KeyService.Server.Keys.KeyVersion;

namespace KeyService.Server.DataKeys;

/// <summary>Takes data keys from older versions of a key to its active one. The key in between is in pinned memory here and goes to no
/// caller.</summary>
internal sealed class DataKeyRewrapping(DataKeyMaker maker, KeyRing keys)
{
    /// <summary>Re-wraps one; null when it does not open.</summary>
    /// <exception cref="Refusal">KEY_STATE, KEY_OVERDUE, KEY_EXHAUSTED.</exception>
    public async ValueTask<RewrapDataKeyResponse?> RewrapAsync(
        KeyVersion version, DataKeyBinding binding, ByteString wrapped, CancellationToken cancellationToken)
    {
        using var plaintext = new PlaintextKeys(1);

        // Opened even when it need not be re-wrapped: "changed = false" says that it is good.
        if (!await maker.TryUnwrapAsync(version, binding, wrapped.Memory, plaintext, cancellationToken))
        {
            return null;
        }

        // After it opened: then the binding is the one it was made with, and so is the key's purpose.
        var target = await maker.FindForWrappingAsync(version.KeyName, cancellationToken, binding.KeyPurpose);
        var changed = target.Id != version.Id;
        return new RewrapDataKeyResponse
        {
            Wrapped = changed
                ? UnsafeByteOperations.UnsafeWrap(await maker.WrapAsync(target, binding, plaintext, cancellationToken))
                : wrapped,
            KeyVersion = target.IdText,
            Changed = changed,
        };
    }

    /// <summary>Re-wraps many, each with a result or an error. When nothing of it is granted the call is refused.</summary>
    /// <exception cref="Refusal">ACCESS_DENIED; INVALID_ARGUMENT and INVALID_CONTEXT of any item.</exception>
    public async Task<RewrapDataKeysResponse> RewrapManyAsync(IReadOnlyList<RewrapDataKeyRequest> items, Call call)
    {
        var bindings = items.Select((item, index) => DataKeyBinding.Require(item.Binding, $"items[{index}].binding")).ToArray();
        var response = new RewrapDataKeysResponse();
        var denied = 0;
        for (var index = 0; index < items.Count; index++)
        {
            var (result, error) = await RewrapItemAsync(items[index], bindings[index], call);
            denied += error == ItemError.AccessDenied ? 1 : 0;
            response.Results.Add(result is not null
                ? new RewrapDataKeyResult { Rewrapped = result }
                : new RewrapDataKeyResult { Error = Encoding.ASCII.GetString(ItemErrors.Name(error)) });
        }

        if (denied == items.Count)
        {
            throw Refusal.AccessDenied();
        }

        call.AuthorizeItems();
        FieldDecryption.RecordFailures(call, response.Results.Count(result => result.Rewrapped is null), items.Count);
        return response;
    }

    /// <exception cref="Refusal">KEY_STATE.</exception>
    public static void DemandProcessing(KeyVersion version)
    {
        if (!version.Row.MayProcess)
        {
            throw ItemErrors.ToRefusal(ItemError.KeyState);
        }
    }

    private async Task<(RewrapDataKeyResponse? Result, ItemError Error)> RewrapItemAsync(
        RewrapDataKeyRequest item, DataKeyBinding binding, Call call)
    {
        if (!WrappedDataKey.TryParse(item.Wrapped.Span, out var parsed))
        {
            return (null, ItemError.DecryptionFailed);
        }

        if (await keys.FindVersionAsync(parsed.VersionId, call.CancellationToken) is not { } version)
        {
            return (null, ItemError.AccessDenied);
        }

        if (call.Record.KeyVersion is null)
        {
            call.Record.Key = version.KeyName;
            call.Record.KeyVersion = version.Id;
            call.Names(binding.Context);
        }

        if (!call.Covers(version.KeyName, binding.Context))
        {
            return (null, ItemError.AccessDenied);
        }

        if (!version.Row.MayProcess)
        {
            return (null, ItemError.KeyState);
        }

        keys.Uses.Note(version.Id);
        call.WarnOf(version.Row);
        var result = await RewrapAsync(version, binding, item.Wrapped, call.CancellationToken);
        return (result, result is null ? ItemError.DecryptionFailed : ItemError.None);
    }
}
