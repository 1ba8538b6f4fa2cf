using System.Diagnostics;
using System.Text.RegularExpressions;
using KeyService.Hsm;
using KeyService.Hsm.Login;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;
using Net.Pkcs11Interop.Common;
using Net.Pkcs11Interop.LowLevelAPI80;

namespace KeyService.IntegrationTests.Hsm;

/// <summary>Every recipe of hsm-sim/README.md, read from there, put in force and met by plain PKCS#11 calls.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed partial class HsmSimRecipeTests : IDisposable
{
    private const CKR Ok = CKR.CKR_OK;
    private readonly SoftHsmDirectory directory = new();
    private HsmSimControl control = null!;
    private Pkcs11Module module = null!;
    private ulong slot;
    private HsmSession session = null!;

    public void Dispose() => directory.Dispose();

    [Fact]
    public void Every_recipe_of_the_README_is_tried_here() => Assert.Equal(
        Recipes().Keys.Order(), typeof(HsmSimRecipeTests).GetMethods().SelectMany(method => method.GetCustomAttributes(typeof(InlineDataAttribute), false))
            .Cast<InlineDataAttribute>().Select(data => (string)data.Data[0]!).Order());

    [Theory]
    [InlineData("A network HSM")]
    [InlineData("A network HSM between 1 and 5 ms")]
    [InlineData("A hiccup")]
    [InlineData("A bad contact")]
    [InlineData("A device that says nothing but GENERAL_ERROR")]
    [InlineData("Broken after a while")]
    [InlineData("A call that hangs")]
    [InlineData("A module that hangs at its start")]
    [InlineData("Out of sessions")]
    [InlineData("Pulled out")]
    [InlineData("A power cycle")]
    [InlineData("A lost connection")]
    [InlineData("Wrong answers")]
    [InlineData("One wrong PIN from its lock")]
    public async Task A_recipe_does_what_it_says(string name)
    {
        (control, var configuration) = await directory.SimulateAsync();
        module = Pkcs11Module.Acquire(configuration.ModulePath, null);
        try
        {
            OpenSession();
            await TryAsync(name, Recipes()[name]);
            Assert.Equal("", control.Log);
        }
        finally
        {
            control.Clear();
            module.Release();
        }
    }

    private async Task TryAsync(string name, string[] lines)
    {
        switch (name)
        {
            case "A network HSM" or "A network HSM between 1 and 5 ms":
                control.Write(lines);
                var start = Stopwatch.GetTimestamp();
                Assert.All(Enumerable.Range(0, 50), _ => Assert.Equal(Ok, Random()));
                Assert.InRange(Stopwatch.GetElapsedTime(start).TotalMilliseconds, 50, double.MaxValue);
                break;
            case "A hiccup":
                Login();
                var key = MakeKey();
                control.Write(lines);
                Assert.Equal([CKR.CKR_DEVICE_ERROR, CKR.CKR_DEVICE_ERROR, Ok], [Encrypt(key), Encrypt(key), Encrypt(key)]);
                break;
            case "A bad contact":
                var first = Once();
                Assert.Equal(first, Once());
                Assert.InRange(first.Count(code => code == CKR.CKR_DEVICE_ERROR), 1, 60);

                CKR[] Once()
                {
                    File.WriteAllLines(control.FilePath, [.. lines]);
                    var answers = Enumerable.Range(0, 200).Select(_ => Random()).ToArray();
                    control.Clear();
                    Random();
                    return answers;
                }

                break;
            case "A device that says nothing but GENERAL_ERROR":
                control.Write(lines);
                ulong slots = 0;
                Assert.Equal([CKR.CKR_GENERAL_ERROR, CKR.CKR_GENERAL_ERROR], [Random(), module.Library.C_GetSlotList(true, null, ref slots)]);
                break;
            case "Broken after a while":
                Login();
                using (var template = new AttributeTemplate().Add(CKA.CKA_SIGN, true).Add(CKA.CKA_VALUE_LEN, 32UL))
                {
                    var signer = session.GenerateKey(CKM.CKM_GENERIC_SECRET_KEY_GEN, template, "a key");
                    control.Write(lines);
                    var mac = new byte[32];
                    Assert.Equal("yyyynyny", string.Concat(Enumerable.Range(0, 8).Select(_ => Try(own => own.Sign(CKM.CKM_SHA256_HMAC, signer, mac, mac)) == Ok ? 'y' : 'n')));
                }
                break;
            case "A call that hangs":
                var before = control.Calls("C_GenerateRandom");
                control.Write(lines);
                var stuck = Task.Run(Random);
                await UntilAsync(() => control.Calls("C_GenerateRandom") > before);
                Assert.Equal(Ok, Random());
                Assert.False(stuck.IsCompleted);
                control.Clear();
                Assert.Equal(Ok, await stuck);
                break;
            case "A module that hangs at its start":
                module.Release();
                before = control.Calls("C_Initialize");
                control.Write(lines);
                var starting = Task.Run(() => Pkcs11Module.Acquire(module.Path, null));
                await UntilAsync(() => control.Calls("C_Initialize") > before);
                Assert.False(starting.IsCompleted);
                control.Clear();
                module = await starting;
                break;
            case "Out of sessions":
                control.Write(lines);
                var second = new HsmSession(module, slot, readWrite: false);
                Assert.Equal("CKR_SESSION_COUNT", Assert.Throws<HsmException>(() => new HsmSession(module, slot, readWrite: false)).ReturnCodeName);
                second.Close();
                new HsmSession(module, slot, readWrite: false).Close();
                break;
            case "Pulled out":
                Login();
                control.Write(lines);
                var info = new CK_TOKEN_INFO();
                Assert.Equal([CKR.CKR_DEVICE_REMOVED, CKR.CKR_TOKEN_NOT_PRESENT], [Random(), module.Library.C_GetTokenInfo(slot, ref info)]);
                Assert.Empty(TokenLocator.All(module));
                control.Clear();
                Assert.Equal(CKR.CKR_SESSION_HANDLE_INVALID, Random());
                OpenSession();
                Assert.Equal(Ok, Random());
                Login(); // the login was gone as well, or this would not be needed
                break;
            case "A power cycle":
                control.Write(lines);
                Assert.Equal(CKR.CKR_SESSION_HANDLE_INVALID, Random());
                Assert.Equal("CKR_DEVICE_REMOVED", Assert.Throws<HsmException>(() => new HsmSession(module, slot, readWrite: false)).ReturnCodeName);
                module.Reinitialize();
                OpenSession();
                Assert.Equal(Ok, Random());
                break;
            case "A lost connection":
                Login();
                var lost = MakeKey();
                control.Write(lines);
                Assert.Equal(CKR.CKR_SESSION_HANDLE_INVALID, Random());
                OpenSession();
                Assert.Equal(Ok, Random());
                Assert.NotEqual(Ok, Encrypt(lost));
                break;
            case "Wrong answers":
                Login();
                var honest = MakeKey();
                var (right, wrong) = (new byte[24], new byte[24]);
                Assert.Equal(Ok, Encrypt(honest, right));
                control.Write(lines);
                Assert.Equal(Ok, Encrypt(honest, wrong));
                Assert.Equal(right[0] ^ 1, wrong[0]);
                Assert.Equal(right[1..], wrong[1..]);
                Assert.Equal(Ok, Encrypt(honest, wrong));
                Assert.Equal(right, wrong);
                break;
            case "One wrong PIN from its lock":
                control.Write(lines);
                Assert.True(TokenLocator.Find(module, SoftHsmDirectory.Label, null).Token.IsLastPinTry);
                break;
            default:
                Assert.Fail($"No test for the recipe '{name}'.");
                break;
        }
    }

    private void OpenSession()
    {
        (slot, _) = TokenLocator.Find(module, SoftHsmDirectory.Label, null);
        session = new HsmSession(module, slot, readWrite: false);
    }

    private void Login() => Assert.Equal(0UL, session.Login(File.ReadAllBytes(directory.PinFile)));

    private CKR Random() => module.Library.C_GenerateRandom(session.Handle, new byte[8], 8);

    private KeyHandle MakeKey()
    {
        using var template = new AttributeTemplate().Add(CKA.CKA_ENCRYPT, true).Add(CKA.CKA_VALUE_LEN, 32UL);
        return session.GenerateKey(CKM.CKM_AES_KEY_GEN, template, "a key");
    }

    private CKR Encrypt(KeyHandle key, byte[]? result = null) => Try(own => own.GcmEncrypt(key, new byte[12], [], new byte[8], result ?? new byte[24]));

    /// <summary>In a session of its own: an operation that failed stays active in its session.</summary>
    private CKR Try(Action<HsmSession> call)
    {
        var own = new HsmSession(module, slot, readWrite: false);
        try
        {
            call(own);
            return Ok;
        }
        catch (HsmException exception)
        {
            return (CKR)(uint)exception.ReturnCode;
        }
        finally
        {
            own.Close();
        }
    }

    private static async Task UntilAsync(Func<bool> holds)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!holds())
        {
            await Task.Delay(5, limit.Token);
        }
    }

    private static Dictionary<string, string[]> Recipes() => Recipe().Matches(File.ReadAllText(Path.Combine(Infrastructure.RepositoryRoot, "hsm-sim/README.md")))
        .ToDictionary(match => match.Groups["name"].Value, match => match.Groups["lines"].Value.Split('\n', StringSplitOptions.RemoveEmptyEntries));

    [GeneratedRegex("^#### (?<name>[^\n]+)\n(?:(?!####)[^`])*```hsmsim\n(?<lines>[^`]+)```", RegexOptions.Multiline)]
    private static partial Regex Recipe();
}
