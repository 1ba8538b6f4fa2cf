using System.Collections.Concurrent;
using KeyService.Hsm.Hierarchy;
using KeyService.Hsm.Login;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;

namespace KeyService.Hsm.Connection;

/// <summary>
/// One life of a token between an Initialize and the next Finalize: slot, login, sessions and every handle. Nothing of it outlives the generation it was made
/// in, so no stale handle can be reached after a reconnect.
/// </summary>
internal sealed class Attachment
{
    private readonly HsmSession keeper;
    private readonly Lock keeperLock = new();

    private Attachment(Pkcs11Module module, ulong slotId, TokenDescription token, HsmSession keeper)
    {
        Module = module;
        SlotId = slotId;
        Token = token;
        this.keeper = keeper;
        Generation = module.Generation;
        Pool = new SessionPool(OpenSession);
    }

    internal Pkcs11Module Module { get; }

    internal ulong SlotId { get; }

    internal TokenDescription Token { get; }

    internal long Generation { get; }

    internal SessionPool Pool { get; }

    internal HierarchyKeys Keys { get; set; } = HierarchyKeys.None;

    /// <summary>Made when there first was a root key, and kept over reconnects.</summary>
    internal Canary? Canary { get; set; }

    /// <summary>Private keys found or made on this token, by label.</summary>
    internal ConcurrentDictionary<string, SigningKey> SigningKeys { get; } = new();

    /// <summary>Handle of the loaded integrity key, if it is of this generation.</summary>
    internal KeyHandle? IntegrityKey { get; set; }

    internal bool IsCurrent => Module.IsInitialized && Module.Generation == Generation;

    /// <summary>Finds the token, logs in, finds and verifies the hierarchy. The caller holds the gate, either side.</summary>
    internal static Attachment Open(Pkcs11Module module, HsmConfiguration configuration, PinSource pin)
    {
        var (slotId, token) = TokenLocator.Find(module, configuration.TokenLabel, configuration.TokenSerial);
        var keeper = new HsmSession(module, slotId, readWrite: false);
        try
        {
            TokenLogin.LogIn(keeper, token, pin);
            var attachment = new Attachment(module, slotId, token, keeper);
            attachment.Keys = HierarchyKeys.Find(keeper);
            return attachment;
        }
        catch
        {
            keeper.Close();
            throw;
        }
    }

    /// <summary>
    /// Runs something in the keeper session, which owns the login and the loaded keys: session objects die with the session that made them. Only calls that
    /// leave no operation active belong here (generate, unwrap, read attributes, destroy), since the keeper cannot be replaced while the attachment lives.
    /// </summary>
    internal T WithKeeper<T>(Func<HsmSession, T> work)
    {
        lock (keeperLock)
        {
            return work(keeper);
        }
    }

    /// <summary>GetTokenInfo, and the canary in a session of its own. The caller is inside the gate.</summary>
    internal void Examine()
    {
        _ = TokenLocator.Describe(Module, SlotId);
        if (Canary is not { } canary || Keys.Root is not { } root)
        {
            return;
        }
        WithFreshSession(session =>
        {
            canary.Check(session, root);
            return true;
        });
    }

    internal bool IsWell()
    {
        try
        {
            Examine();
            return true;
        }
        catch (HsmException)
        {
            return false;
        }
    }

    /// <summary>A session of the caller's own, to be closed by it.</summary>
    internal HsmSession OpenSession() => OpenSession(readWrite: false);

    internal T WithFreshSession<T>(Func<HsmSession, T> work) => WithSession(readWrite: false, work);

    internal void Destroy(IEnumerable<KeyHandle> keys)
    {
        lock (keeperLock)
        {
            foreach (var key in keys)
            {
                keeper.DestroyQuietly(key);
            }
        }
    }

    /// <summary>Runs something in a read-write session of its own: token objects are made so rarely that none is kept.</summary>
    internal T WithReadWrite<T>(Func<HsmSession, T> work) => WithSession(readWrite: true, work);

    /// <summary>Closes this token's sessions, and only them: other tokens may use the module. The keeper goes last, with the loaded keys.</summary>
    internal void Close()
    {
        if (IsCurrent)
        {
            Pool.CloseAll();
            keeper.Close();
        }
    }

    private T WithSession<T>(bool readWrite, Func<HsmSession, T> work)
    {
        var session = OpenSession(readWrite);
        try
        {
            return work(session);
        }
        finally
        {
            session.Close();
        }
    }

    /// <summary>On a token whose sessions are used up, an idle one of ours makes room.</summary>
    private HsmSession OpenSession(bool readWrite)
    {
        while (true)
        {
            try
            {
                return new HsmSession(Module, SlotId, readWrite);
            }
            catch (HsmException exception) when (ReturnCodes.IsOutOfSessions(exception.ReturnCode) && Pool.TryCloseOne())
            {
                // Tried again with one session less.
            }
        }
    }
}
