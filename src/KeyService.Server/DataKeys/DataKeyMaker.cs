using KeyService.Crypto;
using KeyService.Hsm;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;

namespace KeyService.Server.DataKeys;

/// <summary>Makes and opens data keys in the HSM, within the budget of the key version that wraps them.</summary>
internal sealed class DataKeyMaker(KeyRing keys, HsmToken token, TimeProvider time)
{
    /// <summary>The version of a key under which a new data key is to stand.</summary>
    /// <exception cref="Refusal">ACCESS_DENIED for an unknown key; INVALID_ARGUMENT for one of another purpose; KEY_STATE, KEY_OVERDUE.</exception>
    public async ValueTask<KeyVersion> FindForWrappingAsync(
        string keyName, CancellationToken cancellationToken, KeyPurpose purpose = KeyPurpose.EncryptDecrypt)
    {
        keys.Gate?.Demand();
        var key = await keys.FindForProtectionAsync(keyName, cancellationToken) ?? throw Refusal.AccessDenied();
        return key.ForProtection(time.GetUtcNow(), purpose);
    }

    /// <summary>Makes data keys in one visit to the HSM.</summary>
    /// <param name="version">From <see cref="FindForWrappingAsync"/>.</param>
    /// <param name="binding">What all of them are bound to.</param>
    /// <param name="subjectIds">One a data key where the use has subjects, else null.</param>
    /// <param name="count">1 to 1,000.</param>
    /// <param name="plaintexts">Room for as many keys.</param>
    /// <param name="wrapped">69 bytes a key.</param>
    /// <exception cref="Refusal">KEY_EXHAUSTED.</exception>
    public async ValueTask GenerateAsync(
        KeyVersion version, DataKeyBinding binding, IReadOnlyList<ReadOnlyMemory<byte>>? subjectIds, int count,
        PlaintextKeys plaintexts, Memory<byte> wrapped, CancellationToken cancellationToken)
    {
        await version.Wraps.TakeAsync(count, cancellationToken);
        Func<int, ReadOnlyMemory<byte>> aadOf;
        if (subjectIds is null)
        {
            var aad = binding.AssociatedDataUnder(version.Id);
            aadOf = _ => aad;
        }
        else
        {
            aadOf = index => binding.AssociatedDataUnder(version.Id, subjectIds[index].Span);
        }

        var room = plaintexts.Memory[..(count * PlaintextKeys.KeyLength)];
        await token.GenerateDataKeysAsync(version.Id, count, aadOf, room, wrapped, cancellationToken);
    }

    /// <summary>Opens a wrapped data key; false when it does not open, whatever the cause.</summary>
    public ValueTask<bool> TryUnwrapAsync(
        KeyVersion version, DataKeyBinding binding, ReadOnlyMemory<byte> wrapped, PlaintextKeys plaintext,
        CancellationToken cancellationToken) =>
        token.UnwrapDataKeyAsync(version.Id, wrapped, binding.AssociatedDataUnder(version.Id), plaintext[0], cancellationToken);

    /// <summary>Wraps a data key that <see cref="TryUnwrapAsync"/> opened.</summary>
    /// <exception cref="Refusal">KEY_EXHAUSTED.</exception>
    public async ValueTask<byte[]> WrapAsync(
        KeyVersion version, DataKeyBinding binding, PlaintextKeys plaintext, CancellationToken cancellationToken)
    {
        await version.Wraps.TakeAsync(1, cancellationToken);
        var wrapped = new byte[WrappedDataKey.Length];
        await token.WrapDataKeyAsync(version.Id, plaintext[0], binding.AssociatedDataUnder(version.Id), wrapped, cancellationToken);
        return wrapped;
    }
}
