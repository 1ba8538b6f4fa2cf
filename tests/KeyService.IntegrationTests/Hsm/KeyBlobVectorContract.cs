using System.Text.Json.Nodes;
using KeyService.Crypto;
using KeyService.Hsm;
using KeyService.Hsm.Hierarchy;
using KeyService.Hsm.Login;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;
using Net.Pkcs11Interop.Common;

namespace KeyService.IntegrationTests.Hsm;

/// <summary>The vectors of docs/spec/key-blob.md inside a token: its root is not ours to choose, so a session key stands for it.</summary>
public abstract class KeyBlobVectorContract(TokenDirectory directory)
{
    [Fact]
    public async Task Blobs_of_the_vectors_unwrap_in_the_token_and_open_their_check_values()
    {
        await using var token = await directory.OpenWithHierarchyAsync();
        var vectors = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(Infrastructure.RepositoryRoot, "tests/vectors/key-blob.json")))!["positive"]!.AsArray();
        Assert.NotEmpty(vectors);
        var module = Pkcs11Module.Acquire(directory.Configuration.ModulePath, directory.Configuration.NssParameters);
        try
        {
            var session = new HsmSession(module, TokenLocator.Find(module, directory.Configuration.TokenLabel, null).SlotId, readWrite: false);
            foreach (var vector in vectors)
            {
                byte[] Bytes(string name) => Convert.FromHexString(vector![name]!.GetValue<string>());
                var root = Known(session, WrappedKeyKind.WrappingTest, Bytes("rootKey"));
                var id = KeyVersionId.Read(Bytes("keyVersion"));
                var kek = Unwrap(session, root, Bytes("rootBlob"), WrappedKeyKind.Kek);
                Assert.True(KeyCheckValue.Matches(session, kek, id, Bytes("checkValue")));
                Assert.False(KeyCheckValue.Matches(session, kek, new KeyVersionId(id.Value ^ 1), Bytes("checkValue")));

                // The other way round: what the token wraps is what the vector says.
                var copy = Known(session, WrappedKeyKind.Kek, Bytes("kek"));
                Assert.Equal(Bytes("rootBlob"), KeyBlob.FromWrapped(session.Wrap(CKM.CKM_AES_KEY_WRAP, root, copy, "the KEK")));
                Assert.True(KeyCheckValue.Matches(session, kek, id, KeyCheckValue.Make(session, copy, id)));

                var integrity = Unwrap(session, root, Bytes("integrityRootBlob"), WrappedKeyKind.Integrity);
                Assert.Equal(Bytes("integrityCheckValue"), KeyCheckValue.MakeIntegrity(session, integrity));
            }
            session.Close();
        }
        finally
        {
            module.Release();
        }
    }

    private static KeyHandle Known(HsmSession session, WrappedKeyKind kind, byte[] value)
    {
        using var template = KeyTemplates.Known(kind, value);
        return session.CreateObject(template, "a key of the vectors");
    }

    private static KeyHandle Unwrap(HsmSession session, KeyHandle root, byte[] blob, WrappedKeyKind kind)
    {
        using var template = KeyTemplates.Unwrapped(kind);
        var key = session.Unwrap(CKM.CKM_AES_KEY_WRAP, root, KeyBlob.ToWrapped(blob, "a key of the vectors"), template, "A key of the vectors");
        KeyAttributes.RequireProtected(session, key, "A key of the vectors");
        return key;
    }
}

/// <summary>On SoftHSM.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class SoftHsmKeyBlobVectorTests(SoftHsmDirectory directory) : KeyBlobVectorContract(directory), IClassFixture<SoftHsmDirectory>;

/// <summary>On HsmSim over SoftHSM.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class HsmSimKeyBlobVectorTests(SimulatedDirectory directory) : KeyBlobVectorContract(directory), IClassFixture<SimulatedDirectory>;

/// <summary>On NSS softokn.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class NssKeyBlobVectorTests(NssDirectory directory) : KeyBlobVectorContract(directory), IClassFixture<NssDirectory>;
