using KeyService.Hsm;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;

namespace KeyService.IntegrationTests.Hsm;

/// <summary>
/// A directory with one token of some module in it, and what is known of that module: where it cannot do what the others can, the suite asserts what is reported
/// instead. Use as class fixture or by hand; PINs are in files, as in real use.
/// </summary>
public abstract class TokenDirectory : IDisposable
{
    internal string Path { get; } = Directory.CreateTempSubdirectory("keyservice-token-").FullName;

    internal string Serial { get; private protected set; } = "";

    internal string BackupKeyFile => System.IO.Path.Combine(Path, "backup.key");

    internal abstract HsmConfiguration Configuration { get; }

    /// <summary>Attributes of keys that the module shows otherwise than they were asked for; null for one that it does not know.</summary>
    internal virtual IReadOnlyDictionary<string, bool?> ShownOtherwise { get; } = new Dictionary<string, bool?>();

    /// <summary>What the guarantee probes report of the module, other than held; several where it depends on the module's version.</summary>
    internal abstract IReadOnlyDictionary<string, HsmGuaranteeState[]> NotHeld { get; }

    /// <summary>What the module says of an RSAES-OAEP ciphertext that was changed.</summary>
    internal abstract string SaysOfBrokenPadding { get; }

    /// <summary>As many keys as the module makes in a moment.</summary>
    internal virtual int ManyKeys => 100;

    /// <summary>Points the module here, which looks when it is initialised.</summary>
    internal abstract void Use();

    /// <summary>Another token of the same module, in a directory of its own.</summary>
    internal abstract TokenDirectory Another();

    internal HsmToken Open(HsmConfiguration? configuration = null, Action<HsmEvent>? events = null)
    {
        Use();
        return HsmToken.Open(configuration ?? Configuration, null, events);
    }

    /// <summary>Opens the token, making the hierarchy the first time.</summary>
    internal async Task<HsmToken> OpenWithHierarchyAsync(HsmConfiguration? configuration = null, Action<HsmEvent>? events = null)
    {
        var token = Open(configuration, events);
        try
        {
            if (!token.HasHierarchy)
            {
                await token.InitializeHierarchyAsync(BackupKeyFile);
            }
            return token;
        }
        catch
        {
            await token.DisposeAsync(); // or no other test could use the module
            throw;
        }
    }

    /// <summary>A read-write session beside the open token: the login is the application's, so it is in force here too.</summary>
    internal void Inspect(Action<HsmSession> look)
    {
        var module = Pkcs11Module.Acquire(Configuration.ModulePath, Configuration.NssParameters);
        try
        {
            var (slot, _) = KeyService.Hsm.Login.TokenLocator.Find(module, Configuration.TokenLabel, Serial);
            var session = new HsmSession(module, slot, readWrite: true);
            try
            {
                look(session);
            }
            finally
            {
                session.Close();
            }
        }
        finally
        {
            module.Release();
        }
    }

    public void Dispose()
    {
        Directory.Delete(Path, recursive: true);
        GC.SuppressFinalize(this);
    }
}
