using KeyService.Crypto;
using KeyService.Hsm.Connection;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;

namespace KeyService.Hsm.Hierarchy;

/// <summary>One use of a KEK inside the gate: its handle cannot be destroyed before Dispose. Loads the key again when the module was re-initialised since.</summary>
internal readonly struct KekUse : IDisposable
{
    private readonly KekRegister register;
    private readonly KekRegister.Entry entry;
    private readonly Attachment attachment;

    internal KekUse(KekRegister register, Attachment attachment, HsmSession session, KeyVersionId id)
    {
        if (!register.TryUse(id, out var found, out var handle))
        {
            throw NotLoaded(id);
        }
        this.register = register;
        this.attachment = attachment;
        entry = found;
        Handle = handle;
        if (handle.Generation == attachment.Generation)
        {
            return;
        }
        try
        {
            Handle = Reload(session);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    internal KeyHandle Handle { get; }

    /// <summary>The same decryption in another session, after an ambiguous code: a token that was away for a moment gives another answer now.</summary>
    internal ulong DecryptAgain(ReadOnlySpan<byte> iv, ReadOnlySpan<byte> aad, ReadOnlySpan<byte> ciphertextAndTag, Span<byte> output)
    {
        var session = attachment.OpenSession();
        try
        {
            return session.GcmDecrypt(Handle, iv, aad, ciphertextAndTag, output);
        }
        finally
        {
            session.Close();
        }
    }

    /// <summary>Returns when the key opens its own check value in another session: what did not open is then to blame, not the device.</summary>
    internal void RequireWorking(ulong code)
    {
        var (handle, kek) = (Handle, entry);
        if (!attachment.WithFreshSession(session => KeyCheckValue.Matches(session, handle, kek.Id, kek.CheckValue)))
        {
            // Without the code: this is no longer ambiguous, only a reconnect can help.
            throw new HsmException(HsmFault.Unavailable,
                $"The device fails: C_Decrypt answered {ReturnCodes.Name(code)}, and the key does not open its own check value either.");
        }
    }

    public void Dispose()
    {
        if (register.Release(entry) is { } unused)
        {
            attachment.Destroy([unused]);
        }
    }

    internal static HsmException NotLoaded(KeyVersionId id) =>
        new(HsmFault.KeyNotLoaded, $"The KEK of key version {id} is not loaded, and no stored blob of it is known.");

    private KeyHandle Reload(HsmSession session)
    {
        lock (entry)
        {
            // Another call may have loaded it while this one waited.
            var current = register.CurrentHandle(entry);
            if (current.Generation != attachment.Generation)
            {
                current = KeyFactory.LoadKek(attachment, session, entry.Id, entry.RootBlob, entry.CheckValue);
                register.SetHandle(entry, current);
            }
            return current;
        }
    }
}
